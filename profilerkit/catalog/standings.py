"""Keep for each series how its last run compares with those before it: nobody has to wait for that."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby, islice, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from profilerkit.catalog.schema import MEASURES, OUTCOMES
from profilerkit.model import Outcome

if TYPE_CHECKING:
    from sqlite3 import Connection

PREVIOUS_RUNS = 10
"""What is usual is the median of so many successful runs."""
RUNS_LOOKED_AT = 3 * PREVIOUS_RUNS
"""So far back successful ones are looked for."""
FEWEST_RUNS = 3
"""With fewer to compare with nothing is usual."""
LEAST_RATIO = 0.15
"""What rose by less is no regression."""
LEAST_DIFFERENCES = (float(1 << 20), 0.1, 1.0)
"""Nor is what rose by less than this, in the order of the measures: it is noise of short runs."""

Columns = Any
"""A row of what is asked for below."""
Numbers = Sequence["float | None"]
"""In the order of the measures."""

_SUCCESS = OUTCOMES.index(Outcome.SUCCESS)
_HARMLESS = frozenset(
    OUTCOMES.index(each) for each in (Outcome.SUCCESS, Outcome.SKIPPED, Outcome.DEFERRED, Outcome.RESCHEDULED)
)
_STATEMENT = (
    f"SELECT series, number, run, map_index, started_at, outcome, {', '.join(MEASURES)}"
    " FROM recordings INDEXED BY by_series WHERE {} parent IS NULL"
    " ORDER BY series DESC, started_at DESC, number DESC"
)
_UPDATE = f"UPDATE series SET latest = ?, {', '.join(f'{each} = ?' for each in MEASURES)} WHERE id = ?"


def appraise(connection: Connection, touched: Iterable[int] | None) -> None:
    """Compare anew for some series, or for all when that is None."""
    lonely = frozenset(row[0] for row in connection.execute("SELECT id FROM runs WHERE run_id = ''"))
    if touched is None:
        rows = connection.execute(_STATEMENT.format(""))
        groups: Iterable[tuple[int, Iterable[Columns]]] = groupby(rows, key=itemgetter(0))
    else:
        statement = _STATEMENT.format("series = ? AND")
        groups = ((series, connection.execute(statement, (series,))) for series in touched)
    updates = []
    for series, recordings in groups:
        updates.append((*_standing(recordings, lonely), series))
        if len(updates) >= 1000:
            connection.executemany(_UPDATE, updates)
            updates.clear()
    connection.executemany(_UPDATE, updates)


def _standing(rows: Iterable[Columns], lonely: frozenset[int]) -> tuple[float | None, ...]:
    """Return when the last run began, and for each measure by which share it rose, if that is much."""
    runs: dict[int, list[Columns]] = {}
    for row in rows:
        run = row[2]
        key = -row[1] - 1 if run is None or run in lonely else run
        if key not in runs and len(runs) > RUNS_LOOKED_AT:
            break
        runs.setdefault(key, []).append(row)
    if not runs:
        return (None,) * (1 + len(MEASURES))
    last, *others = runs.values()
    before = list(islice((_numbers(each) for each in others if _successful(each)), PREVIOUS_RUNS))
    columns = zip(*before, strict=True) if before else repeat(())
    rises = (
        _rise(value, [each for each in known if each is not None], least)
        for value, known, least in zip(_numbers(last), columns, LEAST_DIFFERENCES, strict=False)
    )
    return (min(each[4] for each in last), *rises)


def _successful(parts: Sequence[Columns]) -> bool:
    outcomes = {each[5] for each in parts}
    return _SUCCESS in outcomes and outcomes <= _HARMLESS


def _numbers(parts: Sequence[Columns]) -> Numbers:
    """Return the measures of a run: the highest peak, all CPU time, the map index that took longest."""
    if len(parts) == 1:
        alone: Numbers = parts[0][6:]
        return alone
    peaks, seconds = ([value for each in parts if (value := each[place]) is not None] for place in (6, 7))
    lanes: dict[object, float] = {}
    for each in parts:
        if each[8] is not None:
            lanes[each[3]] = lanes.get(each[3], 0.0) + each[8]
    return (max(peaks, default=None), sum(seconds) if seconds else None, max(lanes.values(), default=None))


def _rise(value: float | None, before: Sequence[float], least: float) -> float | None:
    """Return by which share of the median of the others a value is more, None when that is little."""
    if value is None or len(before) < FEWEST_RUNS:
        return None
    usual = statistics.median(before)
    if usual <= 0 or value - usual < least or value < usual * (1 + LEAST_RATIO):
        return None
    return value / usual - 1
