"""Follow a series over its runs: its trend, what is usual for it, and where the last run took more."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from profilerkit.catalog import filters
from profilerkit.catalog.rows import microseconds, time_of
from profilerkit.catalog.schema import OUTCOMES, STATUSES
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.texts import run_names, to_text
from profilerkit.catalog.values import Measure, Run, Usual
from profilerkit.keys import unescape
from profilerkit.model import Outcome, Recording, Status, Subject

if TYPE_CHECKING:
    from sqlite3 import Connection

PREVIOUS_RUNS = 10
"""What is usual is the median of so many runs."""
RUNS_LOOKED_AT = 3 * PREVIOUS_RUNS
"""So far back successful ones are looked for."""
MOST_RECORDINGS = 20_000
"""Of one series, that are looked at for its runs."""
FEWEST_FOR_OUTLIERS = 5
OUTLIER_DEVIATIONS = 3.0
"""Median absolute deviations, scaled to standard deviations of a normal distribution."""
OUTLIER_SHARE = 0.15
"""What differs less from the median is no outlier, however steady the others are."""

_WORST_OUTCOMES = (
    Outcome.KILLED, Outcome.TIMEOUT, Outcome.FAILED, Outcome.UNKNOWN, None, Outcome.SUCCESS, Outcome.SKIPPED,
    Outcome.RESCHEDULED, Outcome.DEFERRED,
)  # fmt: skip
_WORST_STATUSES = (Status.RUNNING, Status.INTERRUPTED, Status.PARTIAL)
_COLUMNS = (
    "r.number, r.started_at, r.status, r.outcome, r.silent_after, r.peak_rss_bytes, r.cpu_seconds,"
    " r.duration_seconds, r.limit_bytes, r.traits, runs.names, events.id"
)


@frozen
class Part:
    """One recording of a run."""

    number: int
    id: str
    started_at: int
    status: Status
    outcome: Outcome | None
    peak_rss_bytes: float | None
    cpu_seconds: float | None
    duration_seconds: float | None
    limit_bytes: float | None
    traits: int
    names: dict[str, str]

    @property
    def run(self) -> object:
        """Return what the recordings of one run have in common."""
        return run_of(self.id, self.names)


def run_of(name: str, names: Mapping[str, str]) -> object:
    """Return what the recordings of one run have in common: of one without `run_id`, its id."""
    return (names["run_id"], names.get("try_number")) if "run_id" in names else name


def parts_of(
    connection: Connection, series: Subject | int, scope: Scope, now: datetime, before: int | None = None
) -> Iterator[Part]:
    """Yield the recordings of a series that may be seen, the newest first, or those before a time.

    There are no children among them, which their parents include.
    """
    visible = filters.enter(connection, scope)
    if isinstance(series, Subject):
        values: tuple[object, ...] = (series.kind, to_text(dict(series.series.names)))
        chosen = "(SELECT id FROM series WHERE kind = ? AND names = ?)"
    else:
        values, chosen = (series,), "?"
    if before is not None:
        visible += " AND started_at < ?"
        values = (*values, before)
    statement = (
        f"SELECT {_COLUMNS} FROM recordings r JOIN runs ON runs.id = r.run JOIN events USING (number)"
        f" WHERE series = {chosen} AND parent IS NULL AND {visible}"
        " ORDER BY started_at DESC, number DESC LIMIT ?"
    )
    for row in connection.execute(statement, (*values, MOST_RECORDINGS)):
        number, started_at, status, outcome, silent_after, peak, cpu, seconds, limit, traits, names, name = (
            row
        )
        silent = status == filters.RUNNING and silent_after < microseconds(now)
        yield Part(
            number,
            name,
            started_at,
            Status.INTERRUPTED if silent else STATUSES[status],
            Outcome.UNKNOWN if silent else None if outcome is None else OUTCOMES[outcome],
            peak,
            cpu,
            seconds,
            limit,
            traits,
            json.loads(names),
        )


def grouped(parts: Iterable[Part], limit: int) -> list[list[Part]]:
    """Return the parts of at most so many runs, the newest run first."""
    runs: dict[object, list[Part]] = {}
    for each in parts:
        if each.run not in runs and len(runs) >= limit:
            break
        runs.setdefault(each.run, []).append(each)
    return list(runs.values())


def folded(parts: Sequence[Part]) -> Run:
    """Return the run that some recordings make together; they are sorted with the newest first."""
    highest = max(parts, key=lambda each: (each.peak_rss_bytes or 0.0, each.number))
    statuses = {each.status for each in parts}
    outcomes = {each.outcome for each in parts}
    return Run(
        unescape(highest.id) or highest.id,
        time_of(min(each.started_at for each in parts)),
        next((each for each in _WORST_STATUSES if each in statuses), Status.COMPLETE),
        next(each for each in _WORST_OUTCOMES if each in outcomes),
        len(parts),
        highest.peak_rss_bytes,
        _sum(each.cpu_seconds for each in parts),
        _longest(parts),
        highest.limit_bytes,
    )


def _longest(parts: Iterable[Part]) -> float | None:
    lanes: dict[object, float] = {}
    for each in parts:
        if each.duration_seconds is not None:
            lane = each.names.get("map_index")
            lanes[lane] = lanes.get(lane, 0.0) + each.duration_seconds
    return max(lanes.values(), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) if known else None


def usual(runs: Iterable[Run]) -> Usual:
    """Return the medians of the newest successful ones; runs come with the newest first."""
    good = [each for each in runs if each.outcome is Outcome.SUCCESS][:PREVIOUS_RUNS]

    def median(measure: Measure) -> float | None:
        known = [value for each in good if (value := each.of(measure)) is not None]
        return statistics.median(known) if known else None

    return Usual(len(good), *(median(each) for each in Measure))


def usual_before(connection: Connection, recording: Recording, scope: Scope, now: datetime) -> Usual:
    """Return what was usual before the run of a recording began."""
    own = run_of(recording.id, run_names(recording.subject))
    parts = parts_of(connection, recording.subject, scope, now, microseconds(recording.started_at))
    groups = grouped((each for each in parts if each.run != own), RUNS_LOOKED_AT)
    return usual(folded(each) for each in groups)


def trend(connection: Connection, groups: Sequence[Sequence[Part]]) -> list[Run]:
    """Return runs with what changed between them, the oldest first."""
    runs: list[Run] = []
    before: dict[str, str] | None = None
    for parts in reversed(groups):
        run = folded(parts)
        versions = _versions(connection, parts[0].traits)
        changed = bool(before is not None and versions and before and versions != before)
        runs.append(evolve(run, versions=versions, versions_changed=changed))
        before = versions or before
    return _with_outliers(runs)


def _versions(connection: Connection, traits: int) -> dict[str, str]:
    (content,) = connection.execute("SELECT content FROM traits WHERE id = ?", (traits,)).fetchone()
    found: dict[str, Any] = json.loads(content)["versions"]
    return found


def _with_outliers(runs: Sequence[Run]) -> list[Run]:
    found: list[set[Measure]] = [set() for _ in runs]
    for measure in Measure:
        known = [value for each in runs if (value := each.of(measure)) is not None]
        if len(known) < FEWEST_FOR_OUTLIERS:
            continue
        middle = statistics.median(known)
        spread = 1.4826 * statistics.median(abs(each - middle) for each in known)
        least = max(OUTLIER_DEVIATIONS * spread, OUTLIER_SHARE * abs(middle))
        for place, run in enumerate(runs):
            value = run.of(measure)
            if value is not None and abs(value - middle) > least:
                found[place].add(measure)
    return [evolve(run, outliers=frozenset(each)) for run, each in zip(runs, found, strict=True)]
