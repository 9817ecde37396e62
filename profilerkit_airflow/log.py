"""Tell the task's log what is recorded, where it will be seen, and how it went: two lines."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from profilerkit_airflow.links import page_url

if TYPE_CHECKING:
    from profilerkit.session import Session
    from profilerkit_airflow.contexts import TaskRun

log = logging.getLogger("airflow.task.profilerkit")


def say_started(run: TaskRun, profilers: Iterable[str]) -> None:
    """Say which profilers record this task, and the address of the page."""
    log.info("profilerkit records %s: %s", ", ".join(profilers), page_url(run.names))


def say_ended(session: Session) -> None:
    """Say the peak of memory and the CPU time of the task."""
    used = session.used()
    log.info("profilerkit: %s", describe_usage(used))


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
