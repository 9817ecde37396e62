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

FEW = 8000
"""So many recordings are looked at and sorted at once."""
FEW_COVERED = 60_000
"""So many are, of which an index has all that is looked at."""
MANY = 150_000
"""So many are, where the index with the order was followed in vain."""
SORTED_HERE = 6000
"""So many that are wanted are all fetched: to look at a part twice takes longer."""
STEPS = 1000
MOST_STEPS = 150
"""So many thousand steps of SQLite's machine an index is followed."""
GROUP_STEPS = 1000
"""So many thousand steps are taken to look at what groups have."""
AT_ONCE = 25
"""So many groups are looked at at once."""
COUNT_STEPS = 200
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


@frozen
class Part:
    """A part of the recordings in which all are that are wanted, and a way to it."""

    source: str
    condition: str

    @property
    def rows(self) -> str:
        """Return the statement for its rows, whatever is selected."""
        return f"FROM recordings {self.source} WHERE {self.condition}"


WHOLE = Part("NOT INDEXED", "1")


def narrowest(
    connection: sqlite3.Connection, wanted: Conditions, most: int, most_covered: int
) -> Part | None:
    """Return the smallest part with at most so many recordings; None where there is none.

    It may be larger where an index has all that is looked at.
    """
    best, least = None, 1.0
    ways = [(Part("", f"number IN ({way})"), f"SELECT 1 FROM ({way})", most) for way in wanted.ways]
    for index, condition in wanted.covered:
        part = Part(f"INDEXED BY {index}", condition)
        # What may be seen is much or little: it does not pay to count it to its end.
        enough = most_covered // 2 if index == "by_visible" else most_covered
        ways.append((part, f"SELECT 1 {part.rows}", enough))
    for part, statement, enough in ways:
        limit = int(least * enough) + 1
        counted = f"SELECT count(*) FROM ({statement} LIMIT {limit})"
        found = int(connection.execute(counted, wanted.values).fetchone()[0])
        if found < limit:
            best, least = part, found / max(enough, 1)
    return best


def gathered(
    connection: sqlite3.Connection, wanted: Conditions, order: Order, part: Part
) -> list[Place] | None:
    """Return all recordings of a part that are wanted, sorted; None if these are many."""
    statement = f"SELECT number, {order.field.value} {part.rows} AND {wanted}"
    rows: list[Place] = connection.execute(statement, wanted.values).fetchmany(SORTED_HERE + 1)
    return sorted(rows, key=order.key) if len(rows) <= SORTED_HERE else None


def first(
    connection: sqlite3.Connection,
    wanted: Conditions,
    order: Order,
    after: Place | None,
    limit: int,
    part: Part = WHOLE,
) -> list[Place]:
    """Return the first recordings after a place by looking at a whole part."""
    found: list[Place] = []
    for phase in _phases(order, after):
        found += _Walk(connection, wanted, order, phase, limit - len(found)).through(part)
        if len(found) >= limit:
            break
    return found


def walked(
    connection: sqlite3.Connection, wanted: Conditions, order: Order, after: Place | None, limit: int
) -> list[Place] | None:
    """Return the first recordings after a place through the index with the order; None if that is long."""
    found: list[Place] = []
    for phase in _phases(order, after):
        walk = _Walk(connection, wanted, order, phase, limit - len(found))
        more = within(connection, MOST_STEPS, walk.along)
        if more is None and wanted.scope_table and phase.valued:
            more = within(connection, GROUP_STEPS, walk.in_groups)
        if more is None:
            return None
        found += more
        if len(found) >= limit:
            break
    return found


@frozen
class Phase:
    """One part of an order, those with or those without a value, from a place on."""

    condition: str
    values: dict[str, float | int | None]
    valued: bool = True
    """Whether what it has has values."""


def _phases(order: Order, after: Place | None) -> list[Phase]:
    name, beyond = order.field.value, "<" if order.descending else ">"
    nulls = Phase(f"{name} IS NULL", {}, valued=False)
    if after is None:
        return [Phase(f"{name} IS NOT NULL", {}), nulls]
    number, value = after
    if value is None:
        condition = f"{name} IS NULL AND number {beyond} :number"
        return [Phase(condition, {"number": number}, valued=False)]
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

    def along(self) -> list[Place]:
        """Follow the index of all recordings."""
        return self.through(Part(f"INDEXED BY by_{self.order.field.value}", "1"))

    def through(self, part: Part) -> list[Place]:
        """Look at a part, sorted by the way to it or now."""
        statement = (
            f"SELECT number, {self.order.field.value} {part.rows} AND {self.phase.condition}"
            f" AND {self.wanted} ORDER BY {self.sorting} LIMIT {self.limit}"
        )
        return self.connection.execute(statement, self.values).fetchall()

    def in_groups(self) -> list[Place]:
        """Take the first of the groups that are seen and may have them, those that may have the best before.

        When there are enough, and no other group has anything that comes before, they are all.
        """
        name = self.order.field.value
        side, direction = ("most", "DESC") if self.order.descending else ("least", "ASC")
        bound = f"{side}_{name}"
        groups = self.connection.execute(
            f"SELECT id, {bound} FROM groups WHERE id IN (SELECT id FROM {self.wanted.scope_table})"
            f" AND {bound} IS NOT NULL ORDER BY {bound} {direction}"
        ).fetchall()
        statement = (
            f"SELECT number, {name} FROM recordings INDEXED BY by_visible WHERE visible IN ({{}})"
            f" AND {self.phase.condition} AND {self.wanted.without_scope}"
            f" ORDER BY {self.sorting} LIMIT {self.limit}"
        )
        found: list[Place] = []
        for start in range(0, len(groups), AT_ONCE):
            part = groups[start : start + AT_ONCE]
            if len(found) >= self.limit and self._is_beyond(part[0][1], found[-1]):
                break
            ids = ", ".join(str(each) for each, _ in part)
            rows = self.connection.execute(statement.format(ids), self.values)
            found = list(islice(heapq.merge(found, rows, key=self.order.key), self.limit))
        return found

    def _is_beyond(self, bound: float, last: Place) -> bool:
        """Tell whether nothing within a bound comes before the last place."""
        assert last[1] is not None
        return bound < last[1] if self.order.descending else bound > last[1]


def count(connection: sqlite3.Connection, wanted: Conditions, part: Part = WHOLE) -> int:
    """Return how many recordings of a part are wanted."""
    statement = f"SELECT count(*) {part.rows} AND {wanted}"
    return int(connection.execute(statement, wanted.values).fetchone()[0])


def counted(connection: sqlite3.Connection, wanted: Conditions, most: int) -> tuple[int, bool]:
    """Return how many recordings are wanted, and whether there are more than could be counted."""
    way = f"SELECT 1 FROM recordings {_counting(wanted)} WHERE {wanted}"
    if len(wanted.parts) == 1 and wanted.ways and wanted.exact:
        way = wanted.ways[0]
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
