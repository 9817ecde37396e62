"""Follow a series over its runs: its trend, what is usual for it, and where the last run took more."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from profilerkit.catalog import filters
from profilerkit.catalog.entries import escaped, microseconds, time_of
from profilerkit.catalog.schema import MEASURES, OUTCOMES, STATUSES
from profilerkit.catalog.standings import PREVIOUS_RUNS, RUNS_LOOKED_AT
from profilerkit.catalog.texts import to_text
from profilerkit.catalog.values import Measure, Run, Usual
from profilerkit.keys import unescape
from profilerkit.model import Outcome, Recording, Status, Subject

if TYPE_CHECKING:
    from sqlite3 import Connection

MAX_TIME = (1 << 63) - 1
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
    "r.number, events.id, r.started_at, r.status, r.outcome, r.silent_after, r.peak_rss_bytes, r.cpu_seconds,"
    " r.duration_seconds, r.limit_bytes, traits.content, runs.run_id, runs.try_number, r.map_index"
)
_OTHERS = "JOIN events USING (number) JOIN traits ON traits.id = r.traits LEFT JOIN runs ON runs.id = r.run"
_NUMBERS = (
    f"r.number, '', r.started_at, r.status, r.outcome, r.silent_after, {', '.join(MEASURES)}, NULL, '',"
    " CASE WHEN run NOT IN (SELECT id FROM runs WHERE run_id = '') THEN run END, '', r.map_index"
)
"""The same columns, but those that are not in the index."""


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
    content: str
    """Its traits."""
    run: object
    """What the recordings of one run have in common."""
    map_index: str | None


def parts_of(
    visible: filters.Conditions, series: Subject | int, now: datetime, before: int | None = None
) -> Iterator[Part]:
    """Yield the recordings of a series that may be seen, the newest first.

    There are no children among them, which their parents include. Of those before a time only numbers are
    given; what a run or, without one, a recording has there is a number too.
    """
    values = {**visible.values, "before": MAX_TIME if before is None else before, "series": series}
    chosen = ":series"
    if isinstance(series, Subject):
        chosen = "(SELECT id FROM series WHERE kind = :kind AND names = :series)"
        values |= {"kind": series.kind, "series": to_text(dict(series.series.names))}
    columns, others = (_COLUMNS, _OTHERS) if before is None else (_NUMBERS, "")
    statement = (
        f"SELECT {columns} FROM recordings r INDEXED BY by_series {others}"
        f" WHERE series = {chosen} AND started_at < :before AND parent IS NULL AND {visible}"
        f" ORDER BY started_at DESC, number DESC LIMIT {MOST_RECORDINGS}"
    )
    for row in visible.connection.execute(statement, values):
        yield _part(row, microseconds(now))


def _part(row: tuple[Any, ...], now: int) -> Part:
    number, name, started_at, status, outcome, silent_after, *numbers = row[:10]
    content, run_id, try_number, map_index = row[10:]
    silent = status == filters.RUNNING and silent_after < now
    peak, cpu, seconds, limit = numbers
    return Part(
        number,
        name,
        started_at,
        Status.INTERRUPTED if silent else STATUSES[status],
        Outcome.UNKNOWN if silent else None if outcome is None else OUTCOMES[outcome],
        peak,
        cpu,
        seconds,
        limit,
        content,
        (run_id, try_number) if run_id else name or (number,),
        map_index,
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
    lanes: dict[str | None, float] = {}
    for each in parts:
        if each.duration_seconds is not None:
            lanes[each.map_index] = lanes.get(each.map_index, 0.0) + each.duration_seconds
    return max(lanes.values(), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) if known else None


def known_of(runs: Iterable[Run], measure: Measure) -> list[float]:
    """Return the values of the newest successful ones, the oldest first; runs come with the newest first."""
    good = [each for each in runs if each.outcome is Outcome.SUCCESS][:PREVIOUS_RUNS]
    return [value for each in reversed(good) if (value := each.of(measure)) is not None]


def usual(runs: Sequence[Run]) -> Usual:
    """Return what was usual in some runs, the newest first."""
    known = [known_of(runs, each) for each in Measure]
    return Usual(max(map(len, known)), *(statistics.median(each) if each else None for each in known))


def usual_before(visible: filters.Conditions, recording: Recording, now: datetime) -> Usual:
    """Return what was usual before the run of a recording began."""
    own = _own_run(visible.connection, recording)
    parts = parts_of(visible, recording.subject, now, microseconds(recording.started_at))
    groups = grouped((each for each in parts if each.run != own), RUNS_LOOKED_AT)
    return usual([folded(each) for each in groups])


def _own_run(connection: Connection, recording: Recording) -> tuple[object, ...]:
    """Return what parts have in common that are numbers only, of the run of a recording."""
    names = recording.subject.names
    if "run_id" in names:
        key = [to_text(names[each]) if each in names else "" for each in ("run_id", "try_number")]
        statement = "SELECT id FROM runs WHERE run_id = ? AND try_number = ?"
        row = connection.execute(statement, key).fetchone()
        return () if row is None else (row[0], "")
    row = connection.execute("SELECT number FROM events WHERE id = ?", (escaped(recording.id),)).fetchone()
    return () if row is None else (row[0],)


def trend(groups: Sequence[Sequence[Part]]) -> list[Run]:
    """Return runs with what changed between them, the oldest first."""
    runs: list[Run] = []
    before: dict[str, str] = {}
    for parts in reversed(groups):
        versions: dict[str, str] = json.loads(parts[0].content)["versions"]
        known = before.keys() & versions.keys()
        changed = any(before[each] != versions[each] for each in known)
        runs.append(evolve(folded(parts), versions=versions, versions_changed=changed))
        before |= versions
    return _with_outliers(runs)


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
