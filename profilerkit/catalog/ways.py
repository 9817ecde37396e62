"""Name the ways to a part of the recordings of a catalog."""

from __future__ import annotations

from attrs import frozen

COVERED = ("visible", "series")
"""Columns whose index has nearly all that is looked at."""


@frozen
class Way:
    """A way to all recordings that meet a condition, and perhaps to more."""

    source: str
    """The index that is to be used."""
    condition: str
    meets: str = ""
    """The condition that all of them meet; empty where there may be more."""
    covered: bool = False
    """Whether the index has nearly all that is looked at."""
    numbers: str = ""
    """A statement that gives their numbers, where that is less work than to look at them."""
    table: str = ""
    """The set that is followed."""

    @property
    def rows(self) -> str:
        """Return the statement for its rows, whatever is selected."""
        return f"FROM recordings {self.source} WHERE {self.condition}"

    @property
    def selecting(self) -> str:
        """Return the statement for the numbers, some of them perhaps twice."""
        return self.numbers or f"SELECT number {self.rows}"

    @classmethod
    def by_numbers(cls, numbers: str, meets: str = "", table: str = "") -> Way:
        """Return the way to the recordings whose numbers a statement gives."""
        return cls("", f"number IN ({numbers})", meets, numbers=numbers, table=table)

    @classmethod
    def by_state(cls, index: str, condition: str, meets: str = "") -> Way:
        """Return the way along an index of those that are not as most are."""
        return cls(f"INDEXED BY {index}", condition, meets, covered=True)

    @classmethod
    def in_set(cls, table: str, column: str) -> Way:
        """Return the way to the recordings of which a column is in a set."""
        condition = f"{column} IN (SELECT id FROM {table})"
        index = f"INDEXED BY by_{column}"
        if column in COVERED:
            return cls(index, condition, condition, covered=True, table=table)
        numbers = f"SELECT r.number FROM {table} s CROSS JOIN recordings r {index} ON r.{column} = s.id"
        return cls.by_numbers(numbers, condition, table)

    def sampled(self, step: int) -> Way:
        """Return the way along about one of so many of its set."""
        name = f"FROM {self.table}"
        sample = f"FROM (SELECT id {name} WHERE id % {step} = 0)"
        return Way(
            self.source,
            self.condition.replace(name, sample),
            covered=self.covered,
            numbers=self.numbers.replace(name, sample),
        )
