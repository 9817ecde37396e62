"""Follow the forks of recorded processes: children let go of what they inherited.

`os.register_at_fork` cannot be undone, so one set of hooks serves every session of the process.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from profilerkit.session import Session

_sessions: list[Session] = []
_hooked: list[bool] = []
_WARNING = r"This process \(pid=\d+\) is multi-threaded, use of \w+\(\) may lead to deadlocks in the child\."


def follow_forks(session: Session) -> None:
    """Have `session.abandon` called in every forked child from now on."""
    _sessions.append(session)
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(True)
        os.register_at_fork(before=_before, after_in_child=_in_child)


def forget(session: Session) -> None:
    """Undo `follow_forks`."""
    if session in _sessions:
        _sessions.remove(session)
        if sys.version_info >= (3, 12):
            _silence(False)


def _in_child() -> None:
    for session in _sessions:
        session.abandon()
    _sessions.clear()


def _before() -> None:
    """Keep CPython 3.12+ from warning of threads in a fork when all of them are ours.

    The warning would be our doing and change what the program prints; with threads of the program's
    own it stays.
    """
    if sys.version_info >= (3, 12):
        _silence(bool(_sessions) and all(session.only_our_threads() for session in _sessions))


def _silence(wanted: bool) -> None:
    import re
    import warnings

    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    ours = [each for each in filters if getattr(each[1], "pattern", "") == _WARNING]
    if wanted and not ours:
        filters.insert(0, ("ignore", re.compile(_WARNING), DeprecationWarning, None, 0))
    elif ours and not wanted:
        filters.remove(ours[0])
    else:
        return
    mutated = getattr(warnings, "_filters_mutated", None) or warnings._filters_mutated_lock_held  # type: ignore[attr-defined]
    mutated()
