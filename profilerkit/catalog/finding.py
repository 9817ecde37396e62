"""Find the recordings that are wanted by the way that looks at few rows.

Where some condition is met by few recordings they are gathered and sorted. Else the index that has the order
is followed until there are enough. It might have to be followed to its end where somebody sees some groups
only, since groups differ in what is sorted by: then the best of each group are looked up.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable
from itertools import islice
from typing import Any, TypeVar

from attrs import frozen

from profilerkit.catalog.filters import Conditions
from profilerkit.catalog.query import Field
from profilerkit.errors import UsageError

T = TypeVar("T")
Place = tuple[int, "float | None"]
"""The number of a recording, and its value of what is sorted by."""

FEW = 20_000
"""So many recordings are gathered and sorted at once."""
MANY = 150_000
"""So many are, where the index was followed in vain."""
STEPS = 1000
MOST_STEPS = 80
"""So many thousand steps of SQLite's machine an index is followed."""
GROUP_STEPS = 800
"""So many thousand steps are taken to look up the best of each group."""
COUNT_STEPS = 600
"""So many thousand steps are taken to count."""


@frozen
class Order:
    """How a list is sorted: what has no value comes last, equal ones by their ids in the same direction."""

    field: Field = Field.STARTED
    descending: bool = True

    def key(self, place: Place) -> tuple[bool, float, int]:
        """Return what sorts places: smaller ones come before."""
        number, value = place
        sign = -1 if self.descending else 1
        return value is None, sign * (value or 0.0), sign * number

    def token(self, value: float | None, number: int) -> str:
        """Return where a page ends."""
        return f"{self.field.value}.{'desc' if self.descending else 'asc'}.{value!r}.{number}"

    def place(self, token: str) -> Place:
        """Return the place that a token is for. Raises UsageError when it is none of this order."""
        try:
            field, direction, rest = token.split(".", 2)
            text, number = rest.rsplit(".", 1)
            if field != self.field.value or direction != ("desc" if self.descending else "asc"):
                raise ValueError
            value = None if text == "None" else int(text) if text.isdigit() else float(text)
            return int(number) & (1 << 63) - 1, value
        except ValueError:
            raise UsageError(f"{token!r} is not where a page of this list begins.", "Begin anew.") from None


def gathered(connection: sqlite3.Connection, wanted: Conditions, value: str, most: int) -> list[Place] | None:
    """Return all recordings that are wanted if some condition is met by at most so many; None if not."""
    best, least = None, most + 1
    for way in wanted.ways_within_groups:
        statement = f"SELECT count(*) FROM (SELECT 1 FROM ({way}) LIMIT {least})"
        found = int(connection.execute(statement, wanted.values).fetchone()[0])
        if found < least:
            best, least = way, found
    if best is None:
        return None
    statement = f"SELECT number, {value} FROM recordings WHERE number IN ({best}) AND {wanted}"
    return connection.execute(statement, wanted.values).fetchall()


def walked(
    connection: sqlite3.Connection, wanted: Conditions, order: Order, after: Place | None, limit: int
) -> list[Place] | None:
    """Return the first recordings after a place through the index with the order; None if that is long."""
    found: list[Place] = []
    for phase in _phases(order, after):
        walk = _Walk(connection, wanted, order, phase, limit - len(found))
        more = within(connection, MOST_STEPS, walk.along)
        if more is None and wanted.scope_table:
            more = within(connection, GROUP_STEPS, walk.in_groups)
        if more is None:
            return None
        found += more
        if len(found) >= limit:
            break
    return found


def scanned(
    connection: sqlite3.Connection, wanted: Conditions, order: Order, after: Place | None, limit: int
) -> list[Place]:
    """Return the same by looking at all recordings."""
    found: list[Place] = []
    for phase in _phases(order, after):
        found += _Walk(connection, wanted, order, phase, limit - len(found)).along("NOT INDEXED")
        if len(found) >= limit:
            break
    return found


@frozen
class Phase:
    """One part of an order, those with or those without a value, from a place on."""

    condition: str
    values: dict[str, float | int | None]


def _phases(order: Order, after: Place | None) -> list[Phase]:
    name, beyond = order.field.value, "<" if order.descending else ">"
    nulls = Phase(f"{name} IS NULL", {})
    if after is None:
        return [Phase(f"{name} IS NOT NULL", {}), nulls]
    number, value = after
    if value is None:
        return [Phase(f"{name} IS NULL AND number {beyond} :number", {"number": number})]
    condition = f"({name}, number) {beyond} (:value, :number)"
    return [Phase(condition, {"value": value, "number": number}), nulls]


@frozen
class _Walk:
    """One walk through one part of an order, until there are enough."""

    connection: sqlite3.Connection
    wanted: Conditions
    order: Order
    phase: Phase
    limit: int

    @property
    def values(self) -> dict[str, Any]:
        """Return the parameters of its statements."""
        return {**self.wanted.values, **self.phase.values}

    @property
    def sorting(self) -> str:
        """Return how its rows are sorted."""
        direction = "DESC" if self.order.descending else "ASC"
        return f"{self.order.field.value} {direction}, number {direction}"

    def along(self, index: str = "") -> list[Place]:
        """Follow the index of all recordings."""
        name = self.order.field.value
        statement = (
            f"SELECT number, {name} FROM recordings {index or f'INDEXED BY by_{name}'}"
            f" WHERE {self.phase.condition} AND {self.wanted} ORDER BY {self.sorting} LIMIT {self.limit}"
        )
        return self.connection.execute(statement, self.values).fetchall()

    def in_groups(self) -> list[Place]:
        """Take the first of all groups that are seen.

        They are all in the groups whose own first ones come first: each of these is before all of any other.
        """
        name = self.order.field.value
        of_group = (
            f"FROM recordings INDEXED BY visible_by_{name} WHERE visible = {{}}"
            f" AND {self.phase.condition} AND {self.wanted.without_scope} ORDER BY {self.sorting} LIMIT {{}}"
        )
        groups = self.connection.execute(
            f"SELECT visible FROM (SELECT (SELECT number {of_group.format('s.id', 1)}) AS best"
            f" FROM {self.wanted.scope_table} s) JOIN recordings ON number = best"
            f" ORDER BY {self.sorting} LIMIT {self.limit}",
            self.values,
        ).fetchall()
        statement = f"SELECT number, {name} {of_group.format(':group', self.limit)}"
        found: list[Place] = []
        for (group,) in groups:
            rows = self.connection.execute(statement, {**self.values, "group": group})
            found = list(islice(heapq.merge(found, rows, key=self.order.key), self.limit))
        return found


def counted(connection: sqlite3.Connection, wanted: Conditions, most: int) -> tuple[int, bool]:
    """Return how many recordings are wanted, and whether there are more than could be counted."""
    index = "INDEXED BY visible_by_started_at" if wanted.scope_table else "NOT INDEXED"
    way = f"SELECT 1 FROM recordings {index} WHERE {wanted}"
    if len(wanted.parts) == 1 and wanted.ways and wanted.exact:
        way = wanted.ways[0]
    rows = connection.execute(f"SELECT 1 FROM ({way}) LIMIT {most + 1}", wanted.values)
    total = 0

    def count() -> bool:
        nonlocal total
        for _ in rows:
            total += 1
        return True

    done = within(connection, COUNT_STEPS, count)
    return min(total, most), done is None or total > most


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
