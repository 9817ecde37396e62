"""Put together what session, watcher and ship wrote into a spool: the recording as it is known now."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from profilerkit import spool
from profilerkit.errors import FormatError
from profilerkit.model import (
    FORMAT,
    Capture,
    CaptureFile,
    Evidence,
    Outcome,
    Placement,
    ProcessIdentity,
    Recording,
    Status,
    Subject,
    parse_time,
)


def assemble(folder: Path) -> Recording:
    """Return the recording in a spool.

    Raises FormatError when the spool is damaged or was written by a newer version.
    """
    session = spool.read_json(folder / spool.SESSION)
    if session is None:
        raise FormatError(f"The spool {folder} holds no readable session.json.", "Remove the folder.")
    if int(session.get("format", 0)) > FORMAT:
        raise FormatError(
            f"The spool {folder} has format {session['format']}.", "Install a newer profilerkit to ship it."
        )
    if session.get("id") != folder.name:
        raise FormatError(f"The spool {folder} holds another recording ({session.get('id')!r}).")
    watcher = spool.read_json(folder / spool.WATCHER) or {}
    shipped = spool.read_json(folder / spool.SHIP) or {}
    try:
        return _recording(folder, session, watcher, int(shipped.get("revision", 0)))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"The spool {folder} is damaged ({error!r}).") from error


def _recording(folder: Path, session: dict[str, Any], watcher: dict[str, Any], revision: int) -> Recording:
    ended = session["phase"] == "ended"
    dead = not ended and (bool(watcher.get("died_at")) or spool.is_orphan(folder, session))
    captures = tuple(
        _capture(
            folder, name, {**state, **watcher.get("profilers", {}).get(name, {})}, ended=ended, dead=dead
        )
        for name, state in session["profilers"].items()
    )
    last_change = datetime.fromtimestamp(spool.last_change(folder), timezone.utc)
    ended_at = session.get("ended_at") or watcher.get("died_at")
    return Recording(
        id=session["id"],
        subject=Subject(session["kind"], session["names"]),
        status=_status(captures, ended=ended, dead=dead),
        outcome=_outcome(session, watcher, ended=ended, dead=dead),
        started_at=parse_time(session["started_at"]),
        ended_at=parse_time(ended_at) if ended_at else last_change if dead else None,
        alive_at=None if ended else parse_time(watcher["alive_at"]) if "alive_at" in watcher else last_change,
        captures=captures,
        summary=summary_of_usage(session.get("usage") or {}),
        labels=session["labels"],
        parent_id=session.get("parent_id"),
        evidence=_evidence(session, watcher, dead=dead),
        warnings=(*session["warnings"], *watcher.get("warnings", [])),
        environment={
            **session["environment"],
            "profilerkit": session["profilerkit"],
            "overhead": session["overhead"],
        },
        roots=session["roots"],
        process=ProcessIdentity(**session["process"]),
        checkpoint_interval_seconds=float(session["settings"]["checkpoint_interval"]),
        revision=revision,
    )


def summary_of_usage(usage: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the summary numbers that the kernel's own count of the process gives."""
    parts = ("user_seconds", "system_seconds", "children_user_seconds", "children_system_seconds")
    known = [usage[part] for part in parts if usage.get(part) is not None]
    return {
        "peak_rss_bytes": usage.get("peak_rss_bytes"),
        "peak_heap_bytes": None,
        "cpu_seconds": sum(known) if known else None,
    }


def _capture(folder: Path, name: str, state: dict[str, Any], *, ended: bool, dead: bool) -> Capture:
    status = Status(state["status"])
    error = state.get("error")
    if status is Status.RUNNING and (ended or dead):
        status = Status.INTERRUPTED
        if ended:
            error = error or "the watcher was gone before the end: recorded until then"
    path = spool.capture_folder(folder, name)
    return Capture(
        profiler=name,
        status=status,
        placement=Placement(state["placement"]),
        entry=state["entry"],
        options=state["options"],
        versions=state["versions"],
        files=tuple(
            CaptureFile(each.relative_to(path).as_posix(), size) for each, size in spool.capture_files(path)
        ),
        error=error,
        portable=bool(state.get("portable", True)),
    )


def _status(captures: tuple[Capture, ...], *, ended: bool, dead: bool) -> Status:
    if dead:
        return Status.INTERRUPTED
    if not ended:
        return Status.RUNNING
    whole = all(each.status is Status.COMPLETE for each in captures)
    return Status.COMPLETE if whole else Status.PARTIAL


def _outcome(session: dict[str, Any], watcher: dict[str, Any], *, ended: bool, dead: bool) -> Outcome | None:
    if ended:
        return Outcome(session["outcome"])
    if not dead:
        return None
    status = watcher.get("exit_status")
    if status is None:
        return Outcome(session.get("outcome_so_far", "unknown"))
    if os.WIFSIGNALED(status):
        return Outcome.KILLED
    # A host may know that code which ends its process behind its back has failed (os._exit).
    silent = Outcome(session["settings"].get("silent_exit", "success"))
    return silent if os.WEXITSTATUS(status) == 0 else Outcome.FAILED


def _evidence(session: dict[str, Any], watcher: dict[str, Any], *, dead: bool) -> tuple[Evidence, ...]:
    found = [Evidence(each["kind"], each["text"], each["data"]) for each in watcher.get("evidence", [])]
    if session.get("error"):
        found.append(Evidence("exception", f"ended by {session['error']}", {"type": session["error"]}))
    status = session.get("exit_status")
    if status is not None and status < 0:
        found.append(Evidence("signal", f"ended by {signal.Signals(-status).name}", {"signal": -status}))
    elif status is not None:
        found.append(Evidence("exit", f"exit status {status}", {"exit_status": status}))
    if dead and not watcher.get("died_at"):
        found.append(
            Evidence(
                "silent_end", "found dead, with nobody to watch it: the process and its watcher are gone"
            )
        )
    return tuple(found)
