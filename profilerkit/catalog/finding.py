"""Find the recordings that are wanted by the way that looks at few rows.

Where some condition is met by few recordings they are gathered and sorted. Else the index that has the order
is followed until there are enough. It might have to be followed to its end where somebody sees some groups
only, since groups differ in what is sorted by: then the best of each group are looked up.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, TypeVar

from attrs import frozen

from profilerkit.catalog.filters import Conditions
from profilerkit.catalog.orders import Order, Phase, Place, phases
from profilerkit.catalog.parts import Part
from profilerkit.catalog.ways import Way

T = TypeVar("T")

FEW = 8000
"""So many recordings are looked at and sorted at once."""
FEW_COVERED = 60_000
"""So many are, of which an index has all that is looked at."""
MANY = 150_000
"""So many are, where the index with the order was followed in vain."""
STEPS = 1000
STEPS_FOR_ONE = 25
"""To look at one recording in its row takes as long as so many steps, or longer."""
MOST_STEPS = 150
"""So many thousand steps of SQLite's machine an index is followed."""
GROUP_STEPS = 1000
"""So many thousand steps are taken to look at what groups have."""
FIRST_STEPS = 30
"""So many are taken before it is asked who has what comes first."""
GROUPS_BEFORE = 50
"""Where none of so many first groups is seen, what is seen is far behind."""
AT_ONCE = 25
"""So many groups are looked at at once."""
COUNT_STEPS = 200
"""So many thousand steps are taken to count."""


def sifted(
    connection: sqlite3.Connection,
    wanted: Conditions,
    order: Order,
    after: Place | None,
    limit: int,
    part: Part,
) -> tuple[list[Place], int]:
    """Return the first recordings of a part after a place, and how many are wanted in all."""
    name, way = order.field.value, part.way
    rest = wanted.beside(way.meets)
    if rest == "1" and way.covered:
        return first(connection, wanted, order, after, limit, way.rows), part.size
    # To keep what is wanted takes less than to look at the part twice, once to count.
    connection.execute("DROP TABLE IF EXISTS temp.sifted")
    connection.execute(f"CREATE TABLE temp.sifted (number, {name})")
    statement = f"INSERT INTO temp.sifted SELECT number, {name} {way.rows} AND {rest}"
    total = connection.execute(statement, wanted.values).rowcount
    return first(connection, wanted, order, after, limit, "FROM temp.sifted WHERE 1"), total


def first(
    connection: sqlite3.Connection,
    wanted: Conditions,
    order: Order,
    after: Place | None,
    limit: int,
    source: str,
) -> list[Place]:
    """Return the first recordings after a place of all that a source gives."""
    found: list[Place] = []
    for phase in phases(order, after):
        found += _Walk(connection, wanted, order, phase, limit - len(found)).through(source)
        if len(found) >= limit:
            break
    return found


def walked(
    connection: sqlite3.Connection,
    wanted: Conditions,
    order: Order,
    after: Place | None,
    limit: int,
    thousands: int,
) -> list[Place] | None:
    """Return the first recordings after a place through the index with the order; None if that is long."""
    found: list[Place] = []
    for phase in phases(order, after):
        more = _Walk(connection, wanted, order, phase, limit - len(found)).taken(thousands)
        if more is None:
            return None
        found += more
        if len(found) >= limit:
            break
    return found


@frozen
class _Walk:
    """One walk through one part of an order, until there are enough."""

    connection: sqlite3.Connection
    wanted: Conditions
    order: Order
    phase: Phase
    limit: int

    def taken(self, thousands: int) -> list[Place] | None:
        """Follow the index with the order so many steps, or look at what groups have; None if all is long."""
        if not (self.wanted.scope_table and self.phase.valued):
            return within(self.connection, thousands, self.along)
        found = within(self.connection, min(thousands, FIRST_STEPS), self.along)
        if found is None and thousands > FIRST_STEPS and not self._are_behind():
            found = within(self.connection, thousands, self.along)
        return within(self.connection, GROUP_STEPS, self.in_groups) if found is None else found

    def along(self) -> list[Place]:
        """Follow the index of all recordings."""
        return self.through(f"FROM recordings INDEXED BY by_{self.order.field.value} WHERE {self.wanted}")

    def through(self, source: str, more: Mapping[str, Any] | None = None) -> list[Place]:
        """Look at what a source gives, sorted by the way to it or now; it may have more parameters."""
        name = self.order.field.value
        statement = (
            f"SELECT number, {name} {source} AND {self.phase.condition}"
            f" ORDER BY {name} {self._direction}, number {self._direction} LIMIT {self.limit}"
        )
        values = {**self.wanted.values, **self.phase.values, **(more or {})}
        return self.connection.execute(statement, values).fetchall()

    @property
    def _bound(self) -> str:
        """Return the column of groups that says what their first may have."""
        return f"{'most' if self.order.descending else 'least'}_{self.order.field.value}"

    @property
    def _direction(self) -> str:
        return "DESC" if self.order.descending else "ASC"

    def _are_behind(self) -> bool:
        """Tell whether many other groups may come before those that are seen."""
        (seen,) = self.connection.execute(
            f"SELECT count(*) FROM (SELECT id FROM groups WHERE {self._bound} IS NOT NULL"
            f" ORDER BY {self._bound} {self._direction} LIMIT {GROUPS_BEFORE})"
            f" WHERE id IN (SELECT id FROM {self.wanted.scope_table})"
        ).fetchone()
        return not seen

    def in_groups(self) -> list[Place]:
        """Take the first of the groups that are seen and may have them, those that may have the best before.

        When there are enough, and no other group has anything that comes before, they are all.
        """
        groups = self.connection.execute(
            f"SELECT id, {self._bound} FROM groups WHERE id IN (SELECT id FROM {self.wanted.scope_table})"
            f" AND {self._bound} IS NOT NULL ORDER BY {self._bound} {self._direction}"
        ).fetchall()
        # What cannot be among the first is not looked at further.
        as_good = f"{self.order.field.value} {'>=' if self.order.descending else '<='} :last"
        found: list[Place] = []
        for start in range(0, len(groups), AT_ONCE):
            part = groups[start : start + AT_ONCE]
            if len(found) < self.limit:
                rows = self._of_groups([each for each, _ in part], "1", {})
            elif self._is_beyond(part[0][1], found[-1][1]):
                break
            else:
                rows = self._of_groups([each for each, _ in part], as_good, {"last": found[-1][1]})
            found = list(islice(heapq.merge(found, rows, key=self.order.key), self.limit))
        return found

    def _of_groups(self, ids: list[int], condition: str, values: Mapping[str, Any]) -> list[Place]:
        """Return the first of a few groups that meet a condition too."""
        places = [f"group{number}" for number in range(AT_ONCE)]
        scope = Way.in_set(self.wanted.scope_table, "visible").meets
        source = (
            "FROM recordings INDEXED BY by_visible"
            f" WHERE visible IN ({', '.join(f':{each}' for each in places)})"
            f" AND {condition} AND {self.wanted.beside(scope)}"
        )
        more = {**values, **dict.fromkeys(places), **dict(zip(places, ids, strict=False))}
        return self.through(source, more)

    def _is_beyond(self, bound: float, last: float | None) -> bool:
        """Tell whether nothing within a bound comes before the last value."""
        assert last is not None
        return bound < last if self.order.descending else bound > last


def count(connection: sqlite3.Connection, wanted: Conditions) -> int:
    """Return how many recordings are wanted."""
    statement = f"SELECT count(*) FROM recordings NOT INDEXED WHERE {wanted}"
    return int(connection.execute(statement, wanted.values).fetchone()[0])


def counted(connection: sqlite3.Connection, wanted: Conditions, most: int) -> tuple[int, bool]:
    """Return how many recordings are wanted, and whether there are more than could be counted."""
    way = f"SELECT 1 FROM recordings {_counting(wanted)} WHERE {wanted}"
    if wanted.ways and wanted.beside(wanted.ways[0].meets) == "1":
        way = wanted.ways[0].selecting
    rows = connection.execute(f"SELECT 1 FROM ({way}) LIMIT {most + 1}", wanted.values)
    total = 0

    def count_rows() -> bool:
        nonlocal total
        for _ in rows:
            total += 1
        return True

    done = within(connection, COUNT_STEPS, count_rows)
    return min(total, most), done is None or total > most


def _counting(wanted: Conditions) -> str:
    """Return the index that leaves out much of what does not count; it has nearly all that is looked at."""
    if wanted.scope_table:
        return "INDEXED BY by_visible"
    fields = set(wanted.bounded)
    return f"INDEXED BY by_{fields.pop().value}" if len(fields) == 1 else "NOT INDEXED"


def within(connection: sqlite3.Connection, thousands: int, work: Callable[[], T]) -> T | None:
    """Return what some work gives; None when it takes more steps of SQLite's machine."""
    left = thousands

    def step() -> int:
        nonlocal left
        left -= 1
        return left < 0

    connection.set_progress_handler(step, STEPS)
    try:
        return work()
    except sqlite3.OperationalError:
        if left < 0:
            return None
        raise
    finally:
        connection.set_progress_handler(None, 0)
