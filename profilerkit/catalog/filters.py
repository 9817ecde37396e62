"""Turn what is wanted, and who asks, into conditions on the rows of a catalog."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import define, field

from profilerkit.catalog.entries import escaped, microseconds
from profilerkit.catalog.query import Query
from profilerkit.catalog.rows import CHUNK
from profilerkit.catalog.schema import OUTCOMES, STATUSES
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.texts import (
    any_fits,
    fold,
    is_glob,
    named_fits,
    needle,
    subject_fits,
    text_needle,
    to_text,
)
from profilerkit.catalog.words import containing
from profilerkit.keys import escape
from profilerkit.model import Outcome, Status

if TYPE_CHECKING:
    from sqlite3 import Connection

RUNNING = STATUSES.index(Status.RUNNING)
INTERRUPTED = STATUSES.index(Status.INTERRUPTED)
UNKNOWN = OUTCOMES.index(Outcome.UNKNOWN)


def name_fits(names: str, wanted: str) -> bool:
    """Tell whether the name fits a glob; both are JSON: the names, and which name with the glob."""
    return subject_fits(json.loads(names), *json.loads(wanted))


def text_fits(text: str, pattern: str) -> bool:
    """Tell whether a text fits a glob; both are JSON."""
    return bool(text) and any_fits([json.loads(text)], json.loads(pattern))


def trait_fits(content: str, wanted: str) -> bool:
    """Tell whether labels or profilers are as wanted, which is JSON: what, and what it has to be."""
    traits, (what, *parts) = json.loads(content), json.loads(wanted)
    if what == "profiler":
        return any_fits(traits["profilers"], *parts)
    if what == "label_glob":
        return named_fits(traits["labels"], *parts)
    return f"{parts[0]}={parts[1]}" in {f"{key}={value}" for key, value in traits["labels"].items()}


FUNCTIONS: tuple[Callable[[str, str], bool], ...] = (name_fits, text_fits, trait_fits)
"""What statements call by name."""


@define
class Conditions:
    """Conditions that all have to be met, and ways to the rows that may meet them, for one connection."""

    connection: Connection
    parts: list[str] = field(factory=list)
    ways: list[str] = field(factory=list)
    """Each gives the numbers of all rows that meet one of the conditions, and perhaps of more."""
    values: dict[str, Any] = field(factory=dict)
    exact: bool = True
    """Whether the ways give no more."""
    scope_table: str = ""
    """The groups that may be seen, where not all may be."""
    _sets: int = 0

    def __str__(self) -> str:
        return " AND ".join(self.parts) or "1"

    @property
    def ways_within_groups(self) -> list[str]:
        """Return the ways but that to all that may be seen: group by group it is shorter."""
        return self.ways[1:] if self.scope_table else self.ways

    @property
    def without_scope(self) -> str:
        """Return the conditions but that which the scope makes, the first."""
        return " AND ".join(self.parts[1:]) or "1"

    def add(self, condition: str, *parameters: object, way: str = "") -> None:
        """Add a condition with `{}` where each parameter belongs."""
        names = [f"p{len(self.values) + number}" for number in range(len(parameters))]
        self.values.update(zip(names, parameters, strict=True))
        places = [f":{each}" for each in names]
        self.parts.append(condition.format(*places))
        if way:
            self.ways.append(way.format(*places))

    def set_of(self, statement: str, *parameters: object) -> str:
        """Keep the numbers that a statement gives for the rest of the question; return the table's name."""
        name = f"temp.set{self._sets}"
        self._sets += 1
        self.connection.execute(f"DROP TABLE IF EXISTS {name}")
        self.connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
        self.connection.execute(f"INSERT OR IGNORE INTO {name} {statement}", parameters)
        return name

    def within(self, table: str, column: str, index: str) -> tuple[str, str]:
        """Return the condition that a column is in a set, and the way to such rows."""
        return (
            f"{column} IN (SELECT id FROM {table})",
            f"SELECT r.number FROM {table} s CROSS JOIN recordings r INDEXED BY {index} ON r.{column} = s.id",
        )


def conditions(connection: Connection, query: Query, scope: Scope, now: datetime) -> Conditions:
    """Return the conditions on rows of the table `recordings`."""
    found = Conditions(connection)
    _of_scope(found, scope)
    _of_ids(found, query)
    _of_state(found, query, microseconds(now))
    for bound in query.bounds:
        side = microseconds(bound.value) if isinstance(bound.value, datetime) else bound.value
        condition = f"{bound.field.value} {bound.comparison} {{}}"
        way = f"SELECT number FROM recordings INDEXED BY by_{bound.field.value} WHERE {condition}"
        found.add(condition, side, way=way)
    _of_names(found, query)
    _of_traits(found, query)
    return found


def _of_scope(found: Conditions, scope: Scope) -> None:
    if scope.everything:
        return
    table = found.set_of("SELECT id FROM groups WHERE 0")
    for kind, names in scope.groups.items():
        wanted = list(map(to_text, names))
        for start in range(0, len(wanted), CHUNK):
            part = wanted[start : start + CHUNK]
            found.connection.execute(
                f"INSERT OR IGNORE INTO {table} SELECT id FROM groups"
                f" WHERE kind = ? AND name IN ({', '.join('?' * len(part))})",
                (to_text(kind)[1:-1], *part),
            )
    condition, way = found.within(table, "visible", "visible_by_started_at")
    found.add(condition, way=way)
    found.scope_table = table


def _of_state(found: Conditions, query: Query, now: int) -> None:
    found.exact = query.status is None and query.outcome is None
    # Silence counts only where it has to: what runs, and so may be silent, is always few.
    silent = f"(status = {RUNNING} AND silent_after < {{}})"
    by_status = "SELECT number FROM recordings INDEXED BY by_status WHERE status "
    by_outcome = "SELECT number FROM recordings INDEXED BY by_outcome WHERE outcome "
    if query.status is Status.RUNNING:
        found.add(f"status = {RUNNING} AND silent_after >= {{}}", now, way=f"{by_status} = {RUNNING}")
    elif query.status is Status.INTERRUPTED:
        way = f"{by_status} IN ({INTERRUPTED}, {RUNNING})"
        found.add(f"(status = {INTERRUPTED} OR {silent})", now, way=way)
    elif query.status is not None:
        status = STATUSES.index(query.status)
        found.add(f"status = {status}", way=f"{by_status} = {status}")
    if query.outcome is Outcome.UNKNOWN:
        way = f"{by_outcome} = {UNKNOWN} UNION ALL {by_status} = {RUNNING}"
        found.add(f"(outcome = {UNKNOWN} OR {silent})", now, way=way)
    elif query.outcome is not None:
        outcome = OUTCOMES.index(query.outcome)
        found.add(f"outcome = {outcome} AND NOT {silent}", now, way=f"{by_outcome} = {outcome}")


def _of_names(found: Conditions, query: Query) -> None:
    if query.kind is not None:
        table = found.set_of("SELECT id FROM series WHERE kind = ?", to_text(query.kind)[1:-1])
        _add_any(found, [found.within(table, "series", "by_series")])
    for word in query.words:
        sets = [
            found.set_of(*containing(found.connection, table, fold(word))) for table in ("series", "runs")
        ]
        _add_any(
            found,
            [found.within(sets[0], "series", "by_series"), found.within(sets[1], "run", "by_run")],
        )
    any_name = () if query.name is None else ((None, query.name),)
    for name, pattern in (*any_name, *query.names):
        _of_name(found, name, pattern)


def _of_name(found: Conditions, name: str | None, pattern: str) -> None:
    if name == "map_index":
        found.add("text_fits(map_index, {})" if is_glob(pattern) else "map_index = {}", to_text(pattern))
        return
    ways = []
    values: tuple[str, ...]
    if name not in ("run_id", "try_number"):
        part, exact = needle(name, pattern)
        fits = "instr(names, ?)" if exact else "CASE WHEN instr(names, ?) THEN name_fits(names, ?) END"
        values = (part,) if exact else (part, to_text([name, pattern]))
        table = found.set_of(f"SELECT id FROM series WHERE {fits}", *values)
        ways.append(found.within(table, "series", "by_series"))
    if name in (None, "run_id", "try_number"):
        column = name or "run_id"
        begin, exact = text_needle(pattern)
        # JSON in ASCII has no higher character than `~`.
        fits = f"{column} >= ? AND {column} < ?" + ("" if exact else f" AND text_fits({column}, ?)")
        values = (begin, begin + "\x7f") if exact else (begin, begin + "\x7f", to_text(pattern))
        table = found.set_of(f"SELECT id FROM runs WHERE {fits}", *values)
        ways.append(found.within(table, "run", "by_run"))
    _add_any(found, ways)


def _add_any(found: Conditions, ways: Iterable[tuple[str, str]]) -> None:
    conditions, statements = zip(*ways, strict=True)
    found.exact = found.exact and len(statements) == 1
    found.add(f"({' OR '.join(conditions)})", way=" UNION ALL ".join(statements))


def _of_traits(found: Conditions, query: Query) -> None:
    wanted = [
        *(["label", *each] for each in query.labels),
        *(["label_glob", *each] for each in query.label_globs),
        *(["profiler", each] for each in query.profilers),
    ]
    for each in wanted:
        table = found.set_of("SELECT id FROM traits WHERE trait_fits(content, ?)", to_text(each))
        _add_any(found, [found.within(table, "traits", "by_traits")])


def _of_ids(found: Conditions, query: Query) -> None:
    if query.id_prefix is not None:
        # What a prefix is escaped to begins the escaped id, but for its end, which may be a dot.
        prefix = escape(query.id_prefix + "x", 1000)[:-1] if query.id_prefix else ""
        way = "SELECT number FROM events INDEXED BY events_by_id WHERE id >= {} AND id < {}"
        found.add(f"number IN ({way})", prefix, prefix + "~", way=way)
    if query.ids is not None:
        way = f"SELECT number FROM events WHERE id IN ({', '.join('{}' for _ in query.ids)})"
        found.add(f"number IN ({way})", *map(escaped, query.ids), way=way)
    if query.without:
        way = f"SELECT number FROM events WHERE id IN ({', '.join('{}' for _ in query.without)})"
        found.add(f"number NOT IN ({way})", *map(escaped, query.without))
