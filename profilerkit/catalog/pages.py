"""Answer which recordings are on a page of a list."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from profilerkit.catalog import filters, finding
from profilerkit.catalog.entries import escaped
from profilerkit.catalog.orders import Order, Place
from profilerkit.catalog.parts import Part, narrowest
from profilerkit.catalog.query import Query
from profilerkit.catalog.rows import chunked, packer_of
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.texts import to_text
from profilerkit.catalog.values import Page, Row, as_shown
from profilerkit.codec import event_from_json
from profilerkit.errors import FormatError
from profilerkit.model import Recording

if TYPE_CHECKING:
    from sqlite3 import Connection

MOST_COUNTED = 10_000
"""More than so many are not counted."""


@frozen
class Listing:
    """One question for a list, at one moment."""

    connection: Connection
    query: Query
    scope: Scope
    order: Order
    now: datetime

    def page(self, limit: int, after: str | None) -> Page:
        """Return a page."""
        wanted = self._wanted()
        place = None if after is None else self.order.place(after)
        found, total, capped = self._find(wanted, place, limit + 1)
        rows = rows_of(self.connection, [number for number, _ in found[:limit]], self.now)
        last = found[limit - 1] if len(found) > limit else None
        end = None if last is None else self.order.token(last[1], last[0])
        return Page(tuple(rows), end, total, capped)

    def _find(
        self, wanted: filters.Conditions, place: Place | None, limit: int
    ) -> tuple[list[Place], int, bool]:
        """Return the first after a place, how many there are in all, and whether there are more."""
        question = (self.connection, wanted)
        sought = (*question, self.order, place, limit)
        part = narrowest(*question, finding.FEW, finding.FEW_COVERED)
        steps = self._steps(wanted, part)
        found = finding.walked(*sought, steps) if part is None or steps else None
        if found is None and part is None:
            part = narrowest(*question, finding.MANY, finding.MANY)
        if part is not None:
            return (*finding.sifted(*sought, part), False) if found is None else (found, part.size, False)
        if found is None:
            found = finding.first(*sought, f"FROM recordings NOT INDEXED WHERE {wanted}")
        total, capped = finding.counted(*question, MOST_COUNTED)
        return found, max(total, len(found)), capped

    def _steps(self, wanted: filters.Conditions, part: Part | None) -> int:
        """Return how many thousand steps the index with the order is followed."""
        if part is None:
            return finding.MOST_STEPS
        # All of the part are wanted: to look at each takes long where its index has not all.
        if part.way.covered or wanted.beside(part.way.meets) != "1":
            return 0
        along = part.way.table or self.order.field in wanted.bounded
        return part.size * finding.STEPS_FOR_ONE // finding.STEPS if along else 0

    def count(self) -> int:
        """Return how many recordings are wanted."""
        return finding.count(self.connection, self._wanted())

    def newest(self, limit: int | None) -> list[Row]:
        """Return the recordings by their ids, the newest first."""
        wanted = self._wanted()
        wanted.values["limit"] = -1 if limit is None else limit
        statement = f"SELECT number FROM recordings WHERE {wanted} ORDER BY number DESC LIMIT :limit"
        found = self.connection.execute(statement, wanted.values).fetchall()
        return rows_of(self.connection, [number for (number,) in found], self.now)

    def names(self) -> list[str]:
        """Return the ids, escaped, the newest first."""
        wanted = self._wanted()
        statement = (
            f"SELECT id FROM recordings JOIN events USING (number) WHERE {wanted} ORDER BY number DESC"
        )
        return [name for (name,) in self.connection.execute(statement, wanted.values)]

    def _wanted(self) -> filters.Conditions:
        return filters.conditions(self.connection, self.query, self.scope, self.now)


def related(
    connection: Connection, recording: Recording, scope: Scope, limit: int, now: datetime
) -> list[Row]:
    """Return the other recordings of the same run, the newest first."""
    wanted = filters.conditions(connection, Query(), scope, now)
    subject, parent = recording.subject, recording.parent_id
    statement = f"""
        WITH RECURSIVE family (number, id) AS (
            SELECT number, id FROM events WHERE id IN (:id, :parent)
            UNION SELECT number, id FROM recordings JOIN events USING (number)
            WHERE series = (SELECT id FROM series WHERE kind = :kind AND names = :series)
            AND run IN (SELECT id FROM runs WHERE run_id = :run)
            UNION SELECT child.number, events.id
            FROM family JOIN recordings child ON child.parent = family.id
            JOIN events ON events.number = child.number
        )
        SELECT number FROM recordings JOIN family USING (number)
        WHERE id != :id AND {wanted} ORDER BY number DESC LIMIT :limit"""
    values = {
        **wanted.values,
        "id": escaped(recording.id),
        "parent": None if parent is None else escaped(parent),
        "limit": limit,
        "kind": subject.kind,
        "series": to_text(dict(subject.series.names)),
        "run": to_text(subject.names["run_id"]) if "run_id" in subject.names else None,
    }
    found = connection.execute(statement, values).fetchall()
    return rows_of(connection, [number for (number,) in found], now)


def rows_of(connection: Connection, numbers: list[int], now: datetime) -> list[Row]:
    """Return the rows with these numbers, in this order. Raises FormatError when one is damaged."""
    found: dict[int, Row] = {}
    packer = packer_of(connection)
    for number, name, data in chunked(
        connection, "SELECT number, id, event FROM events WHERE number IN", numbers
    ):
        if packer is None:
            raise FormatError("The sample of the events is gone.")
        event = event_from_json(packer.unpack(data))
        if escaped(event.recording.id) != name:
            raise FormatError(f"The row of {name} is of {event.recording.id}.")
        found[number] = Row(event, as_shown(event, now))
    return [found[number] for number in numbers]
