"""Define what a catalog answers with: rows, pages, runs of a series, and how they changed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from datetime import datetime, timezone
from enum import Enum

from attrs import evolve, field, frozen

from profilerkit.archive import effective_status
from profilerkit.model import Event, Outcome, Recording, Status, Subject

LIMIT = "container_limit_bytes"
"""The number in a summary that is the memory limit; what a container has no limit for has none."""


class Measure(str, Enum):
    """What recordings are ranked by and compared in."""

    PEAK = "peak_rss_bytes"
    CPU = "cpu_seconds"
    DURATION = "duration_seconds"


def measured(recording: Recording, name: str) -> float | None:
    """Return a number of a recording, None when it is unknown or not finite."""
    value = recording.duration_seconds if name == Measure.DURATION.value else recording.summary.get(name)
    return value if value is not None and math.isfinite(value) else None


def as_shown(event: Event, now: datetime | None = None) -> Recording:
    """Return the recording with the status that its silence or its word gives it now."""
    recording = event.recording
    status, outcome, evidence = effective_status(event, now or datetime.now(timezone.utc))
    if status is recording.status:
        return recording
    more = (evidence,) if evidence is not None else ()
    return evolve(recording, status=status, outcome=outcome, evidence=(*recording.evidence, *more))


@frozen
class Row:
    """One recording of a list."""

    event: Event
    recording: Recording
    """As it is shown now: a running one that fell silent is interrupted. What it has is what events tell."""

    @property
    def key(self) -> str:
        """Return the key of its folder in the store."""
        return self.event.key

    @property
    def limit_bytes(self) -> float | None:
        """Return the memory limit under which it ran, None when there was none or it is unknown."""
        return measured(self.recording, LIMIT)


@frozen
class Page:
    """Some of the recordings that are wanted, in the order that was asked for."""

    rows: tuple[Row, ...]
    next: str | None
    """What to give as `after` for the page that follows; None on the last."""
    total: int
    """How many there are on all pages; at least so many when `capped`."""
    capped: bool = False


@frozen
class Ranked:
    """A series and the recording with the highest value of it."""

    series: Subject
    row: Row
    measure: Measure
    value: float


@frozen
class Usual:
    """The medians over the last successful runs of a series, None where nothing is known."""

    runs: int = 0
    """How many runs there were, 10 at most."""
    peak_rss_bytes: float | None = None
    cpu_seconds: float | None = None
    duration_seconds: float | None = None

    def of(self, measure: Measure) -> float | None:
        """Return the median of a measure."""
        found: float | None = getattr(self, measure.value)
        return found


@frozen
class Run:
    """One run of a series: the recordings of one `run_id` and `try_number`, else one recording.

    `peak_rss_bytes` is the highest of them, `cpu_seconds` their sum, `duration_seconds` that of the map
    index that took longest, its segments added up.
    """

    id: str
    """Of the recording with the highest peak, the newest of equals."""
    started_at: datetime
    status: Status
    outcome: Outcome | None
    recordings: int
    peak_rss_bytes: float | None
    cpu_seconds: float | None
    duration_seconds: float | None
    limit_bytes: float | None = None
    versions: Mapping[str, str] = field(factory=dict)
    """What it ran with, as far as its events tell: `python`, and the distributions of its profilers."""
    versions_changed: bool = False
    """Whether they differ from those of the run before."""
    outliers: frozenset[Measure] = frozenset()
    """In what it is far from the other runs."""

    def of(self, measure: Measure) -> float | None:
        """Return a measure."""
        found: float | None = getattr(self, measure.value)
        return found


@frozen
class Regression:
    """A series whose last run took more than usual."""

    series: Subject
    measure: Measure
    run: Run
    """The last one."""
    value: float
    before: tuple[float, ...]
    """The values of the successful runs before it, 10 at most, the oldest first."""

    @property
    def usual(self) -> float:
        """Return the median of the runs before."""
        return statistics.median(self.before)

    @property
    def runs(self) -> int:
        """Return how many runs there were before."""
        return len(self.before)

    @property
    def history(self) -> tuple[float, ...]:
        """Return the values of the runs before and then that of the last one."""
        return (*self.before, self.value)

    @property
    def difference(self) -> float:
        """Return by how much it is more, in the unit of the measure."""
        return self.value - self.usual

    @property
    def ratio(self) -> float:
        """Return by how much it is more, as a share of what is usual: 0.2 is 20 %."""
        return self.difference / self.usual
