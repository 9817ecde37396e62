"""Answer which recordings are on a page of a list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from profilerkit.catalog import filters
from profilerkit.catalog.query import Field, Query
from profilerkit.catalog.rows import escaped, read
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.texts import to_text
from profilerkit.catalog.values import Page, Row, as_shown
from profilerkit.errors import UsageError
from profilerkit.model import Recording

if TYPE_CHECKING:
    from sqlite3 import Connection

MOST_COUNTED = 10_000
"""More than so many are not counted."""


@frozen
class Order:
    """How a list is sorted: what has no value comes last, equal ones by their ids in the same direction."""

    field: Field = Field.STARTED
    descending: bool = True

    def token(self, value: float | None, number: int) -> str:
        """Return where a page ends."""
        return f"{self.field.value}.{'desc' if self.descending else 'asc'}.{value!r}.{number}"

    def place(self, token: str) -> tuple[float | None, int]:
        """Return the value and the number in a token. Raises UsageError when it is none of this order."""
        try:
            field, direction, rest = token.split(".", 2)
            text, number = rest.rsplit(".", 1)
            if field != self.field.value or direction != ("desc" if self.descending else "asc"):
                raise ValueError
            value = None if text == "None" else int(text) if text.isdigit() else float(text)
            return value, int(number) & (1 << 63) - 1
        except ValueError:
            raise UsageError(f"{token!r} is not where a page of this list begins.", "Begin anew.") from None


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
        found = list(self._numbers(wanted, limit + 1, after))
        rows = rows_of(self.connection, [number for number, _ in found[:limit]], self.now)
        last = found[limit - 1] if len(found) > limit else None
        total = self.count(MOST_COUNTED + 1)
        return Page(
            tuple(rows),
            None if last is None else self.order.token(last[1], last[0]),
            min(total, MOST_COUNTED),
            total > MOST_COUNTED,
        )

    def count(self, most: int = -1) -> int:
        """Return how many recordings are wanted; no more than `most` are counted."""
        wanted = self._wanted()
        statement = f"SELECT count(*) FROM (SELECT 1 FROM recordings WHERE {wanted} LIMIT {most})"
        return int(self.connection.execute(statement, wanted.values).fetchone()[0])

    def newest(self, limit: int | None) -> list[Row]:
        """Return the recordings by their ids, the newest first."""
        wanted = self._wanted()
        wanted.values["limit"] = -1 if limit is None else limit
        statement = f"SELECT number FROM recordings WHERE {wanted} ORDER BY number DESC LIMIT :limit"
        found = self.connection.execute(statement, wanted.values)
        return rows_of(self.connection, [number for (number,) in found], self.now)

    def names(self) -> list[str]:
        """Return the ids, escaped, the newest first."""
        wanted = self._wanted()
        statement = (
            f"SELECT id FROM recordings JOIN events USING (number) WHERE {wanted} ORDER BY number DESC"
        )
        return [name for (name,) in self.connection.execute(statement, wanted.values)]

    def _wanted(self) -> filters.Conditions:
        wanted = filters.conditions(self.query, self.now)
        wanted.add(filters.enter(self.connection, self.scope))
        return wanted

    def _numbers(
        self, wanted: filters.Conditions, limit: int, after: str | None
    ) -> Iterator[tuple[int, float | None]]:
        """Yield numbers and values of the recordings on the page, and of one more."""
        name = self.order.field.value
        direction, beyond = ("DESC", "<") if self.order.descending else ("ASC", ">")
        value, number = (None, None) if after is None else self.order.place(after)
        values = {**wanted.values, "value": value, "number": number, "limit": limit}
        parts = []
        if after is None:
            parts = [f"{name} IS NOT NULL", f"{name} IS NULL"]
        elif value is None:
            parts = [f"{name} IS NULL AND number {beyond} :number"]
        else:
            parts = [
                f"{name} {beyond}= :value AND ({name} {beyond} :value OR number {beyond} :number)",
                f"{name} IS NULL",
            ]
        for part in parts:
            statement = (
                f"SELECT number, {name} FROM recordings WHERE {wanted} AND {part}"
                f" ORDER BY {name} {direction}, number {direction} LIMIT :limit"
            )
            found = self.connection.execute(statement, values).fetchall()
            yield from found
            values["limit"] -= len(found)


def related(
    connection: Connection, recording: Recording, scope: Scope, limit: int, now: datetime
) -> list[Row]:
    """Return the other recordings of the same run, the newest first."""
    visible = filters.enter(connection, scope)
    subject, parent = recording.subject, recording.parent_id
    of_run, same = "0", None
    if "run_id" in subject.names:
        same = to_text({"run_id": subject.names["run_id"]})
        of_run = (
            "series = (SELECT id FROM series WHERE kind = :kind AND names = :series)"
            " AND run IN (SELECT id FROM runs WHERE same_names(names, :same))"
        )
    statement = f"""
        WITH RECURSIVE family (number, id) AS (
            SELECT number, id FROM recordings JOIN events USING (number)
            WHERE id IN (:id, :parent) OR ({of_run})
            UNION SELECT child.number, events.id
            FROM family JOIN recordings child ON child.parent = family.id
            JOIN events ON events.number = child.number
        )
        SELECT number FROM recordings JOIN family USING (number)
        WHERE id != :id AND {visible} ORDER BY number DESC LIMIT :limit"""
    values = {
        "id": escaped(recording.id),
        "parent": None if parent is None else escaped(parent),
        "limit": limit,
        "kind": subject.kind,
        "series": to_text(dict(subject.series.names)),
        "same": same,
    }
    found = connection.execute(statement, values).fetchall()
    return rows_of(connection, [number for (number,) in found], now)


def rows_of(connection: Connection, numbers: list[int], now: datetime) -> list[Row]:
    """Return the rows with these numbers, in this order."""
    found = []
    for number in numbers:
        one = connection.execute("SELECT id, event FROM events WHERE number = ?", (number,)).fetchone()
        event = read(*(one or ("", b"")))
        found.append(Row(event, as_shown(event, now)))
    return found
