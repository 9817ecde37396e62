"""Choose the part of the recordings that is looked at, where some condition is met by few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from profilerkit.catalog.filters import Conditions
from profilerkit.catalog.ways import Way

if TYPE_CHECKING:
    from sqlite3 import Connection

SAMPLED = 96
"""Of a large set about so many are looked at first."""
LARGE = 4 * SAMPLED
FAR = 1.1
"""So many times too many by a sample are too many."""


@frozen
class Part:
    """A part of the recordings in which all are that are wanted, and how many it has."""

    way: Way
    size: int


def narrowest(connection: Connection, wanted: Conditions, most: int, most_covered: int) -> Part | None:
    """Return the smallest part with at most so many recordings; None where there is none.

    It may be larger where an index has all that is looked at.
    """
    best, least = None, 1.0
    for way in wanted.ways:
        enough = most_covered if way.covered else most
        if way.table and way.table == wanted.scope_table:
            # What may be seen is much or little: it does not pay to count it to its end.
            enough //= 2
        limit = int(least * enough) + 1
        if _leads_far(connection, wanted, way, limit):
            continue
        found = _size(connection, wanted, way, limit)
        if found < limit:
            best, least = Part(way, found), found / max(enough, 1)
    return best


def _leads_far(connection: Connection, wanted: Conditions, way: Way, limit: int) -> bool:
    """Tell whether a way seems to lead to more than so many, by a sample of the set that it follows."""
    size = wanted.sizes.get(way.table, 0)
    if size < LARGE:
        return False
    step = size // SAMPLED | 1
    enough = int(FAR * limit / step) + 1
    return _size(connection, wanted, way.sampled(step), enough) == enough


def _size(connection: Connection, wanted: Conditions, way: Way, most: int) -> int:
    counted = f"SELECT count(*) FROM ({way.selecting} LIMIT {most})"
    return int(connection.execute(counted, wanted.values).fetchone()[0])
