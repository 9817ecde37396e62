"""Answer which series take the most, and which of them got worse."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from profilerkit.catalog import filters
from profilerkit.catalog.entries import microseconds
from profilerkit.catalog.finding import AT_ONCE, within
from profilerkit.catalog.history import folded, grouped, known_of, parts_of
from profilerkit.catalog.pages import rows_of
from profilerkit.catalog.query import Query
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.standings import RUNS_LOOKED_AT
from profilerkit.catalog.values import Measure, Ranked, Regression

FEW = 40_000
"""So many recordings of a window are all looked at."""
MOST_STEPS = 1000
"""So many thousand steps of SQLite's machine the best of all are followed."""

Best = tuple[float, int]
"""A value, and the number of the recording that has it."""


def ranking(
    connection: sqlite3.Connection,
    measure: Measure,
    scope: Scope,
    since: datetime | None,
    limit: int,
    now: datetime,
) -> list[Ranked]:
    """Return the series with the highest values since a time, each with the recording that has it."""
    wanted = filters.conditions(connection, Query(), scope, now)
    wanted.values.update(since=0 if since is None else microseconds(since), limit=limit, few=FEW + 1)
    best = _best(connection, measure.value, wanted)
    rows = rows_of(connection, [number for _, number in best], now)
    return [
        Ranked(row.recording.subject.series, row, measure, value)
        for row, (value, _) in zip(rows, best, strict=True)
    ]


def _best(connection: sqlite3.Connection, name: str, wanted: filters.Conditions) -> list[Best]:
    """Return the highest value of each series, the highest of these first."""
    limit: int = wanted.values["limit"]
    counted = "(SELECT 1 FROM recordings INDEXED BY by_started_at WHERE started_at >= :since LIMIT :few)"
    (recent,) = connection.execute(f"SELECT count(*) FROM {counted}", wanted.values).fetchone()
    of_window = f"parent IS NULL AND {name} IS NOT NULL AND started_at >= :since"
    if recent <= FEW:
        of_window = f"INDEXED BY by_started_at WHERE {of_window} AND {wanted}"
        statement = f"SELECT series, {name}, number FROM recordings {of_window}"
        return _highest(connection.execute(statement, wanted.values), limit, everything=True)
    if not wanted.scope_table:
        statement = (
            f"SELECT series, {name}, number FROM recordings INDEXED BY by_{name} WHERE {of_window}"
            f" ORDER BY {name} DESC, number DESC"
        )
        rows = connection.execute(statement, wanted.values)
        found = within(connection, MOST_STEPS, lambda: _highest(rows, limit))
        if found is not None:
            return found
    return _best_of_groups(connection, name, of_window, wanted)


def _best_of_groups(
    connection: sqlite3.Connection, name: str, of_window: str, wanted: filters.Conditions
) -> list[Best]:
    """Return the same out of the groups that may have them, those that may have the highest before."""
    limit: int = wanted.values["limit"]
    scope = f"id IN (SELECT id FROM {wanted.scope_table})" if wanted.scope_table else "1"
    groups = connection.execute(
        f"SELECT id, most_{name} FROM groups WHERE {scope} AND most_{name} IS NOT NULL"
        f" ORDER BY most_{name} DESC"
    ).fetchall()
    found: list[tuple[int, float, int]] = []
    best: list[Best] = []
    for start in range(0, len(groups), AT_ONCE):
        part = groups[start : start + AT_ONCE]
        if len(best) >= limit and part[0][1] < best[-1][0]:
            break
        rows = connection.execute(
            f"SELECT series, {name}, number FROM recordings INDEXED BY by_visible"
            f" WHERE visible IN ({', '.join(str(each) for each, _ in part)}) AND {of_window}",
            wanted.values,
        )
        found += rows
        best = _highest(found, limit, everything=True)
    return best


def _highest(rows: Iterable[Any], limit: int, *, everything: bool = False) -> list[Best]:
    """Return the highest values of different series; rows are sorted, or all are looked at."""
    found: dict[int, Best] = {}
    for series, value, number in rows:
        if series not in found or (value, number) > found[series]:
            found[series] = (value, number)
        if not everything and len(found) >= limit:
            break
    return sorted(found.values(), reverse=True)[:limit]


def regressions(
    connection: sqlite3.Connection, scope: Scope, since: datetime | None, limit: int, now: datetime
) -> list[Regression]:
    """Return where the last run since a time took more than usual, the largest share first."""
    wanted = filters.conditions(connection, Query(), scope, now)
    first = 0 if since is None else microseconds(since)
    worst: list[tuple[float, int, str]] = []
    for measure in Measure:
        name = measure.value
        statement = (
            f"SELECT {name}, id FROM series INDEXED BY worse_by_{name} WHERE {name} IS NOT NULL"
            f" AND latest >= :since AND {wanted} ORDER BY {name} DESC, id LIMIT :limit"
        )
        values = {**wanted.values, "since": first, "limit": limit}
        worst += ((ratio, series, name) for ratio, series in connection.execute(statement, values))
    worst.sort(key=lambda each: (-each[0], each[1], each[2]))
    found = (_regression(wanted, series, Measure(name), now) for _, series, name in worst[:limit])
    return [each for each in found if each is not None]


def _regression(
    visible: filters.Conditions, series: int, measure: Measure, now: datetime
) -> Regression | None:
    groups = grouped(parts_of(visible, series, now), RUNS_LOOKED_AT + 1)
    last, *before = [folded(each) for each in groups]
    value, known = last.of(measure), known_of(before, measure)
    if value is None or not known:
        return None
    (row,) = rows_of(visible.connection, [groups[0][0].number], now)
    return Regression(row.recording.subject.series, measure, last, value, tuple(known))
