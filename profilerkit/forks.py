"""Follow the forks of recorded processes: children let go of what they inherited.

`os.register_at_fork` cannot be undone, so one set of hooks serves every session of the process.
"""

from __future__ import annotations

import os
import sys

from profilerkit.claims import release_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
        _silence(False)


def _in_child() -> None:
    _silence(False)
    for session in _sessions:
        session.abandon()
    _sessions.clear()
    release_all()


def _before() -> None:
    """Keep CPython 3.12+ from warning of threads in a fork when all of them are ours.

    The warning would be our doing and change what the program prints; with threads of the program's
    own it stays.
    """
    _silence(bool(_sessions) and all(session.only_our_threads() for session in _sessions))


def _silence(wanted: bool) -> None:
    """Have the filter that ignores the warning first in the list, or nowhere.

    It may stay until the next fork: Python 3.13 warns after the last hook. Filters are not declared
    changed, for that would have Python show again what it has warned of once.
    """
    if sys.version_info < (3, 12):
        return
    import warnings

    filters: Any = warnings.filters
    for each in [each for each in filters if getattr(each[1], "pattern", "") == _WARNING]:
        filters.remove(each)
    if wanted:
        import re

        filters.insert(0, ("ignore", re.compile(_WARNING), DeprecationWarning, None, 0))
