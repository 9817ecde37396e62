"""Say how a list of recordings is sorted, and where a page of it ends."""

from __future__ import annotations

from attrs import frozen

from profilerkit.catalog.query import Field
from profilerkit.errors import UsageError

Place = tuple[int, "float | None"]
"""The number of a recording, and its value of what is sorted by."""


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
class Phase:
    """One part of an order, those with or those without a value, from a place on."""

    condition: str
    values: dict[str, float | int | None]
    valued: bool = True
    """Whether what it has has values."""


def phases(order: Order, after: Place | None) -> list[Phase]:
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
