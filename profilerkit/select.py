"""Choose what takes part in a recording and write it down as a plan that any process can follow."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from profilerkit import plugins
from profilerkit.claims import SHARED
from profilerkit.errors import UsageError
from profilerkit.ids import uuid7
from profilerkit.model import Placement
from profilerkit.options import parse_options
from profilerkit.redact import redact_argv, redact_mapping, redact_text, secret_values
from profilerkit.settings import Settings
from profilerkit.storeurl import store_fingerprint, store_label

ENVIRONMENT_VARIABLES = (
    "PYTHONHASHSEED",
    "PYTHONMALLOC",
    "PYTHONDEVMODE",
    "MALLOC_ARENA_MAX",
    "OMP_NUM_THREADS",
    "TZ",
    "LANG",
    "LC_ALL",
)
"""The only environment variables that are stored."""

LONGEST_TEXT, MOST_LABELS, MOST_ARGUMENTS = 4000, 100, 1000
"""Characters of a name, label or argument, and how many: more is cut, since every list reads them."""


def choose(
    names: Iterable[str], options: Mapping[str, Mapping[str, Any]], *, required: bool = True
) -> list[dict[str, Any]]:
    """Return the chosen profilers with checked options, as a plan has them.

    Raises UsageError for an unknown profiler or option and for two that claim the same,
    UnavailableError for one that cannot be imported.
    """
    choices = []
    claimed: dict[str, str] = {}
    for name in dict.fromkeys(names):
        profiler_class = plugins.load(plugins.PROFILERS, name)
        parsed = parse_options(name, profiler_class, options.get(name, {}))
        profiler = profiler_class(**parsed)
        for claim in sorted(profiler.claims() - SHARED):
            if claim in claimed:
                raise UsageError(
                    f"{claimed[claim]} and {name} cannot record together: both need {claim}.",
                    f"Choose one of them{_or_defaults(claim, claimed[claim], name)}.",
                )
            claimed[claim] = name
        choices.append(
            {
                "name": name,
                "entry": plugins.entry(plugins.PROFILERS, name),
                "options": parsed,
                "placement": Placement(profiler_class.placement).value,
                "prepares": _overrides(profiler_class, "prepare"),
                "portable": bool(profiler.portable()),
                "versions": _versions(profiler_class.distributions),
                "required": required,
            }
        )
    unknown = sorted(
        set(options) - {each["name"] for each in choices} - set(plugins.names(plugins.PROFILERS))
    )
    if unknown:
        plugins.entry(plugins.PROFILERS, unknown[0])  # says what is installed
    return choices


def make_plan(
    kind: str,
    names: Mapping[str, str],
    choices: Sequence[Mapping[str, Any]],
    settings: Settings,
    *,
    labels: Mapping[str, str] | None = None,
    argv: Sequence[str] = (),
    own_folders: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """Return everything that a session needs, as plain JSON values.

    The store's full URL and options are in it: it crosses processes through pipes only.
    """
    url = settings.store_url
    known = secret_values(os.environ)
    shown = {_cut(key): _cut(value) for key, value in list((labels or {}).items())[:MOST_LABELS]}
    cut = labels is not None and shown != dict(labels)
    return {
        "id": uuid7(),
        "kind": kind,
        "names": {key: redact_text(_cut(value), known=known) for key, value in names.items()},
        "labels": redact_mapping(shown, known=known),
        "parent_id": None,
        "store": {
            "url": url,
            "options": dict(settings.storage_options),
            "label": store_label(url),
            "fingerprint": store_fingerprint(url),
        },
        "spool": str(settings.spool_folder),
        "profilers": list(choices),
        "settings": {
            "checkpoint_interval": settings.checkpoint_interval,
            "upload_timeout": settings.upload_timeout,
            "max_capture_bytes": settings.max_capture_bytes,
            "max_spool_bytes": settings.max_spool_bytes,
            "min_free_disk": settings.min_free_disk,
            "retention_days": settings.retention_days,
            "retention_days_resources": settings.retention_days_resources,
        },
        "environment": _environment(argv, known),
        "roots": {**find_roots(own_folders), **_profiler_roots(choices)},
        "warnings": [
            *warnings,
            *(["labels were cut"] if cut else []),
            *_spool_warnings(str(settings.spool_folder)),
        ],
        "sys_path": [each for each in sys.path if each and os.path.isabs(each)],
    }


def _or_defaults(claim: str, *names: str) -> str:
    """Return, as the end of a sentence, which of these would not need a claim by default."""
    modest = [each for each in names if claim not in plugins.load(plugins.PROFILERS, each)().claims()]
    return f", or leave the options of {modest[0]} at their defaults" if modest else ""


def find_roots(own_folders: Sequence[str]) -> dict[str, str]:
    """Return the folders that code comes from, by label: the user's own, packages, the standard library."""
    roots: dict[str, str] = {}
    for folder in dict.fromkeys(os.path.realpath(each) for each in own_folders):
        roots["own" if not roots else f"own-{len(roots) + 1}"] = folder
    packages = [each for each in sys.path if os.path.basename(each) in ("site-packages", "dist-packages")]
    for number, folder in enumerate(dict.fromkeys(packages), 1):
        roots["site-packages" if number == 1 else f"site-packages-{number}"] = folder
    roots["stdlib"] = os.path.dirname(os.__file__)
    roots["profilerkit"] = os.path.dirname(os.path.abspath(__file__))
    return roots


def _profiler_roots(choices: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the packages of the profilers themselves: what they do is never the user's own code."""
    found = {}
    for choice in choices:
        package = sys.modules.get(choice["entry"].partition(":")[0].partition(".")[0])
        if package is not None and getattr(package, "__path__", None):
            found[f"profiler-{choice['name']}"] = os.path.abspath(next(iter(package.__path__)))
    return found


def _overrides(profiler_class: type, method: str) -> bool:
    from profilerkit.interfaces import Profiler

    return getattr(profiler_class, method) is not getattr(Profiler, method)


def _versions(distributions: Iterable[str]) -> dict[str, str]:
    found = {}
    for each in distributions:
        try:
            found[each] = version(each)
        except PackageNotFoundError:
            continue
    return found


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _environment(argv: Sequence[str], known: Sequence[str]) -> dict[str, Any]:
    variables = {name: os.environ[name] for name in ENVIRONMENT_VARIABLES if name in os.environ}
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "implementation": sys.implementation.name,
        "platform": _platform(),
        "argv": [_cut(each) for each in redact_argv(list(argv)[:MOST_ARGUMENTS], known=known)],
        "variables": {name: redact_text(value, known=known) for name, value in variables.items()},
    }


def _platform() -> str:
    if not hasattr(os, "uname"):
        return sys.platform
    found = os.uname()
    return f"{found.sysname} {found.release} {found.machine}"


def _spool_warnings(folder: str) -> list[str]:
    """Return a warning when captures would lie in memory: that memory counts for the container."""
    best = ("", "")
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                _, point, kind = line.split()[:3]
                if (folder + "/").startswith(point.rstrip("/") + "/") and len(point) > len(best[0]):
                    best = (point, kind)
    except (OSError, ValueError):
        return []
    if best[1] in ("tmpfs", "ramfs"):
        return [f"the spool lies in memory ({best[1]} at {best[0]}): captures count as memory used"]
    return []
