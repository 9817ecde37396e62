"""Send metrics of recordings through Airflow's own stats: StatsD, DogStatsD or OpenTelemetry.

What the task itself knows is sent when it ends. What only the upload knows, and everything about a
recording that was interrupted, lies in a receipt that ship leaves; the next task that is profiled on
this host sends it, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profilerkit_airflow import compat

if TYPE_CHECKING:
    from profilerkit.session import Session

RECORDINGS = "profilerkit.recordings"
"""Counter; tags: dag_id, task_id, status, outcome."""
GAUGES = ("peak_rss_bytes", "cpu_seconds", "duration_seconds")
"""Gauges `profilerkit.<name>`; tags: dag_id, task_id."""
SHIPPED_BYTES = "profilerkit.shipped_bytes"
"""Counter; tags: dag_id, task_id."""
SHIP_SECONDS = "profilerkit.ship_seconds"
"""Gauge; tags: dag_id, task_id."""


def send(session: Session, names: Mapping[str, str], outcome: str) -> None:
    """Send the numbers of a recording that has just ended, and those of others that were shipped."""
    from profilerkit import receipts

    _send_recording(names, session.status, outcome, session.used())
    for each in receipts.take(Path(session.plan["spool"])):
        _send_receipt(each)


def _send_receipt(receipt: Mapping[str, Any]) -> None:
    names = receipt.get("names", {})
    if receipt.get("kind") != "task" or not {"dag_id", "task_id"} <= set(names):
        return
    if receipt["status"] == "interrupted":
        numbers = {**receipt["summary"], "duration_seconds": receipt["duration_seconds"]}
        _send_recording(names, receipt["status"], receipt["outcome"] or "unknown", numbers)
    stats, tags = compat.stats(), _tags(names)
    stats.incr(SHIPPED_BYTES, count=int(receipt["shipped_bytes"]), tags=tags)
    stats.gauge(SHIP_SECONDS, receipt["ship_seconds"], tags=tags)


def _send_recording(
    names: Mapping[str, str], status: str, outcome: str, numbers: Mapping[str, float | None]
) -> None:
    stats, tags = compat.stats(), _tags(names)
    stats.incr(RECORDINGS, tags={**tags, "status": status, "outcome": outcome})
    for name in GAUGES:
        if numbers.get(name) is not None:
            stats.gauge(f"profilerkit.{name}", numbers[name], tags=tags)


def _tags(names: Mapping[str, str]) -> dict[str, str]:
    return {"dag_id": names["dag_id"], "task_id": names["task_id"]}
