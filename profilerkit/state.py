"""Say what a recording is and what its process has used: the content of the session's file."""

from __future__ import annotations

import _thread
import os
import sys
from collections.abc import Mapping
from time import gmtime, monotonic, strftime, time

from profilerkit import process
from profilerkit._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]


def utc(seconds: float) -> str:
    """Return a time since the epoch as RFC 3339 in UTC, with microseconds."""
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"


def time_since_start(state: Mapping[str, Any]) -> str:
    """Return the time now by the clock as it was at the start: it may have been set meanwhile."""
    clock = state["clock"]
    return utc(clock["unix_seconds"] + monotonic() - clock["monotonic_seconds"])


def first_state(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recording that begins now says of itself, all its profilers running."""
    now = time()
    return {
        "format": 1,
        "profilerkit": __version__,
        "id": plan["id"],
        "kind": plan["kind"],
        "names": plan["names"],
        "labels": plan["labels"],
        "parent_id": plan.get("parent_id"),
        "started_at": utc(now),
        "clock": {"unix_seconds": now, "monotonic_seconds": monotonic()},
        "host": os.uname().nodename if hasattr(os, "uname") else "",
        "process": process.identity(os.getpid()),
        "thread_id": _thread.get_native_id(),
        "cgroup": process.cgroup_folder(os.getpid()),
        "store": {"label": plan["store"]["label"], "fingerprint": plan["store"]["fingerprint"]},
        "environment": plan["environment"],
        "roots": plan["roots"],
        "settings": plan["settings"],
        "profilers": {
            choice["name"]: {
                "status": "running",
                "entry": choice["entry"],
                "options": choice["options"],
                "placement": choice["placement"],
                "versions": choice["versions"],
                "portable": choice.get("portable", True),
                "error": None,
            }
            for choice in plan["profilers"]
        },
        "warnings": list(plan["warnings"]),
        "at_start": usage(),
        "overhead": {},
        "phase": "running",
    }


def last_words(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the end has changed in a state, for a watcher to write where the process cannot."""
    changed = ("phase", "outcome", "ended_at", "usage", "exit_status", "error", "overhead", "warnings")
    return {
        **{name: state.get(name) for name in changed},
        "profilers": {
            name: {"status": each["status"], "error": each["error"]}
            for name, each in state["profilers"].items()
        },
    }


def usage() -> dict[str, float | int | None]:
    """Return what the kernel counts for this process and its reaped children, and by which time."""
    if resource is None:
        return {"peak_rss_bytes": None}
    rss_bytes, peak_rss_bytes = process.own_rss_bytes()
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "monotonic_seconds": monotonic(),
        "rss_bytes": rss_bytes,
        "peak_rss_bytes": peak_rss_bytes or own.ru_maxrss * unit,
        "ru_maxrss_bytes": own.ru_maxrss * unit,
        "user_seconds": own.ru_utime,
        "system_seconds": own.ru_stime,
        "children_user_seconds": children.ru_utime,
        "children_system_seconds": children.ru_stime,
    }


def used_since(state: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the process's peak of memory, and the seconds and CPU seconds since the recording began."""
    before = state["at_start"]
    parts = ("user_seconds", "system_seconds", "children_user_seconds", "children_system_seconds")
    known = [usage[part] - before[part] for part in parts if usage.get(part) is not None]
    return {
        "peak_rss_bytes": usage.get("peak_rss_bytes"),
        "cpu_seconds": sum(known) if known else None,
        "duration_seconds": monotonic() - state["clock"]["monotonic_seconds"],
    }
