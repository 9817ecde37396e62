"""Tell the task's log what is recorded, where it will be seen, and how it went: two lines.

What fails gets one line more each.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profilerkit_airflow.links import page_url

if TYPE_CHECKING:
    from profilerkit.session import Session
    from profilerkit_airflow.contexts import TaskRun

log = logging.getLogger("airflow.task.profilerkit")


def say_started(run: TaskRun, profilers: Iterable[str]) -> None:
    """Say which profilers record this task, and the address of the page."""
    log.info("profilerkit records %s: %s", ", ".join(profilers), page_url(run.names))


def say_ended(session: Session, said: Sequence[str] = ()) -> None:
    """Say the peak of memory and the CPU time of the task, and what has failed that was not `said` yet."""
    say_problems(session, said)
    used = session.used()
    log.info("profilerkit: %s", describe_usage(used))
    if not session.shipped_in_time:
        _say_unshipped(session)


def say_problems(session: Session, said: Sequence[str] = ()) -> list[str]:
    """Say what has failed and was not said yet; return all that is said by now."""
    found = session.problems
    for each in found:
        if each not in said:
            log.warning("profilerkit: %s", each)
    return found


def say_waiting(spool: Path) -> None:
    """Say that recordings of other tasks are still on this worker because the store refuses them.

    Where no task waits for its upload, its own log cannot say so.
    """
    from profilerkit.waiting import find_waiting

    found = find_waiting(spool)
    if found is not None:
        log.warning("profilerkit: %d not uploaded yet wait in %s: %s", found.spools, spool, found.reason)


def _say_unshipped(session: Session) -> None:
    from profilerkit.waiting import why_waiting

    assert session.folder is not None
    reason = why_waiting(Path(session.folder)) or "the store has not answered yet"
    log.warning("profilerkit: not uploaded in time, kept in %s: %s", session.folder, reason)


def describe_usage(used: dict[str, Any]) -> str:
    """Return the peak and the CPU time in words."""
    parts = []
    if used.get("peak_rss_bytes"):
        parts.append(f"peak RSS {used['peak_rss_bytes'] / 2**20:.0f} MiB")
    if used.get("cpu_seconds") is not None:
        parts.append(f"{used['cpu_seconds']:.2f} s of CPU")
    if used.get("duration_seconds") is not None:
        parts.append(f"{used['duration_seconds']:.2f} s")
    return ", ".join(parts)
