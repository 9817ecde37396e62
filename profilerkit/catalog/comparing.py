"""Answer which series take the most, and which of them got worse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from profilerkit.catalog import filters
from profilerkit.catalog.history import PREVIOUS_RUNS, RUNS_LOOKED_AT, folded, grouped, parts_of, usual
from profilerkit.catalog.pages import rows_of
from profilerkit.catalog.rows import microseconds, time_of
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.values import Measure, Ranked, Regression, Run
from profilerkit.model import Subject

if TYPE_CHECKING:
    from sqlite3 import Connection

FEWEST_RUNS = 3
"""A series with fewer runs before the last one has no usual."""
LEAST_RATIO = 0.15
"""What rose by less is no regression."""


def ranking(
    connection: Connection, measure: Measure, scope: Scope, since: datetime | None, limit: int, now: datetime
) -> list[Ranked]:
    """Return the series with the highest values since a time, each with the recording that has it."""
    visible = filters.enter(connection, scope)
    name = measure.value
    statement = (
        f"SELECT number, max({name}) AS highest FROM recordings WHERE parent IS NULL AND {name} IS NOT NULL"
        f" AND started_at >= ? AND {visible} GROUP BY series ORDER BY highest DESC, number DESC LIMIT ?"
    )
    found = connection.execute(statement, (0 if since is None else microseconds(since), limit)).fetchall()
    rows = rows_of(connection, [number for number, _ in found], now)
    return [
        Ranked(row.recording.subject.series, row, measure, value)
        for row, (_, value) in zip(rows, found, strict=True)
    ]


def regressions(
    connection: Connection, scope: Scope, since: datetime | None, limit: int, now: datetime
) -> list[Regression]:
    """Return where the last run since a time took more than usual, the largest share first."""
    visible = filters.enter(connection, scope)
    statement = (
        f"SELECT DISTINCT series FROM recordings WHERE parent IS NULL AND started_at >= ? AND {visible}"
    )
    first = 0 if since is None else microseconds(since)
    found: list[Regression] = []
    for (series,) in connection.execute(statement, (first,)).fetchall():
        groups = grouped(parts_of(connection, series, scope, now), RUNS_LOOKED_AT + 1)
        runs = [folded(each) for each in groups]
        if runs[0].started_at >= time_of(first):
            (row,) = rows_of(connection, [groups[0][0].number], now)
            found += _of_series(row.recording.subject.series, runs)
    found.sort(key=lambda each: (-each.ratio, str(each.series), each.measure.value))
    return found[:limit]


def _of_series(series: Subject, runs: list[Run]) -> Iterator[Regression]:
    last, *before = runs
    middle = usual(before)
    for measure in Measure:
        value, normal = last.of(measure), middle.of(measure)
        if value is None or not normal or middle.runs < FEWEST_RUNS or value < normal * (1 + LEAST_RATIO):
            continue
        history = [found for each in before[:PREVIOUS_RUNS] if (found := each.of(measure)) is not None]
        yield Regression(series, measure, last, value, normal, middle.runs, (*reversed(history), value))
