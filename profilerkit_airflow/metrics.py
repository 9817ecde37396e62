"""Send metrics of recordings through Airflow's own stats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from profilerkit.session import Session
    from profilerkit_airflow.contexts import TaskRun


def send(session: Session, run: TaskRun) -> None:
    """Send the numbers of a recording that has just ended."""
