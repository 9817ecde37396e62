"""Turn what is wanted, and who asks, into conditions on the rows of a catalog."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from attrs import define, field

from profilerkit.catalog.entries import escaped, microseconds
from profilerkit.catalog.query import Bound, Field, Query
from profilerkit.catalog.rows import CHUNK
from profilerkit.catalog.schema import NOT_COMPLETE, NOT_SUCCESS, OUTCOMES, STATUSES
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
from profilerkit.catalog.ways import Way
from profilerkit.catalog.words import matching
from profilerkit.keys import escape
from profilerkit.model import RUN_NAMES, Outcome, Status

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


MOST_IN_SET = 4000
"""So many texts that fit are kept in a set."""
FUNCTIONS: tuple[Callable[[str, str], bool], ...] = (name_fits, text_fits, trait_fits)
"""What statements call by name."""


@define
class Conditions:
    """Conditions that all have to be met, and ways to the rows that may meet them, for one connection."""

    connection: Connection
    parts: list[str] = field(factory=list)
    """Those first that take the least to look at."""
    dear: list[str] = field(factory=list)
    """Those that take more, until all are there."""
    ways: list[Way] = field(factory=list)
    values: dict[str, Any] = field(factory=dict)
    scope_table: str = ""
    """The groups that may be seen, where not all may be."""
    bounded: list[Field] = field(factory=list)
    """What has bounds."""
    sizes: dict[str, int] = field(factory=dict)
    """How many are in each set."""

    def __str__(self) -> str:
        return self.beside("")

    def beside(self, met: str) -> str:
        """Return the conditions but one that is met."""
        return " AND ".join(each for each in self.parts if each != met) or "1"

    def add(self, condition: str, *parameters: object, way: str = "", dear: bool = False) -> None:
        """Add a condition with `{}` where each parameter belongs, and a statement that gives numbers."""
        names = [f"p{len(self.values) + number}" for number in range(len(parameters))]
        self.values.update(zip(names, parameters, strict=True))
        places = [f":{each}" for each in names]
        (self.dear if dear else self.parts).append(condition.format(*places))
        if way:
            self.ways.append(Way.by_numbers(way.format(*places)))

    def new_set(self) -> str:
        """Make a set of numbers that is kept for the rest of the question; return the table's name."""
        name = f"temp.set{len(self.sizes)}"
        self.sizes[name] = 0
        self.connection.execute(f"DROP TABLE IF EXISTS {name}")
        self.connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
        return name

    def fill(self, name: str, statement: str, parameters: Sequence[object]) -> int:
        """Add the numbers that a statement gives to a set; return how many it has then."""
        done = self.connection.execute(f"INSERT OR IGNORE INTO {name} {statement}", parameters)
        self.sizes[name] += done.rowcount
        return self.sizes[name]

    def fitting(
        self, table: str, column: str, fits: str, *parameters: object, match: str | None = None
    ) -> tuple[str, Way | None]:
        """Return the condition that what a column refers to fits, and the way to such rows if these are few.

        What fits is among the texts that `match` finds, if that is given. Of many no set is made: each row
        that is looked at is asked.
        """
        if match is None:
            statement, values = f"SELECT id FROM {table} WHERE {fits}", parameters
        else:
            words = f"{table}_words"
            statement = (
                f"SELECT id FROM {words} CROSS JOIN {table} ON id = {words}.rowid WHERE {words} MATCH ?"
            )
            statement, values = f"{statement} AND {fits}", (match, *parameters)
        kept = self.new_set()
        if self.fill(kept, f"{statement} LIMIT {MOST_IN_SET + 1}", values) <= MOST_IN_SET:
            way = Way.in_set(kept, column)
            return way.meets, way
        for each in parameters:
            name = f"f{len(self.values)}"
            self.values[name] = each
            fits = fits.replace("?", f":{name}", 1)
        return f"EXISTS (SELECT 1 FROM {table} WHERE id = recordings.{column} AND {fits})", None


def conditions(connection: Connection, query: Query, scope: Scope, now: datetime) -> Conditions:
    """Return the conditions on rows of the table `recordings`."""
    found = Conditions(connection)
    _of_state(found, query, microseconds(now))
    for bound in query.bounds:
        found.add(f"{bound.field.value} {bound.comparison} {{}}", _side(bound))
        condition = found.parts[-1]
        numbers = f"SELECT number FROM recordings INDEXED BY by_{bound.field.value} WHERE {condition}"
        found.ways.append(Way.by_numbers(numbers, condition))
        found.bounded.append(bound.field)
    _of_ids(found, query)
    _of_traits(found, query)
    _of_names(found, query)
    # After these: most leave less than it.
    _of_scope(found, scope, query)
    found.parts += found.dear
    # How far others have to be followed shows when those were that are mostly short.
    found.ways.sort(key=lambda way: (way.covered, way.table != found.scope_table))
    return found


def _of_scope(found: Conditions, scope: Scope, query: Query) -> None:
    if scope.everything:
        return
    found.scope_table = table = found.new_set()
    reachable = " AND ".join(map(_reachable, query.bounds)) or "1"
    for kind, names in scope.groups.items():
        # As `to_text` has them, but sooner.
        wanted = list(map(encode_basestring_ascii, names))
        for start in range(0, len(wanted), CHUNK):
            part = wanted[start : start + CHUNK]
            found.fill(
                table,
                "SELECT id FROM groups"
                f" WHERE kind = ? AND name IN ({', '.join('?' * len(part))}) AND {reachable}",
                (to_text(kind)[1:-1], *part),
            )
    way = Way.in_set(table, "visible")
    found.add(way.meets)
    found.ways.append(way)


def _reachable(bound: Bound) -> str:
    """Return the condition that groups meet that may have what is within a bound."""
    side = {"<": "least", ">": "most"}.get(bound.comparison[0])
    if side is None or not math.isfinite(_side(bound)):
        return "1"
    return f"{side}_{bound.field.value} {bound.comparison} {float(_side(bound))!r}"


def _side(bound: Bound) -> float:
    return microseconds(bound.value) if isinstance(bound.value, datetime) else bound.value


def _of_state(found: Conditions, query: Query, now: int) -> None:
    # Silence counts only where it has to: what runs, and so may be silent, is always few.
    silent = f"(status = {RUNNING} AND silent_after < {{}})"
    if query.status is Status.RUNNING:
        found.add(f"status = {RUNNING} AND silent_after >= {{}}", now)
        found.ways.append(Way.by_state("by_status", f"{NOT_COMPLETE} AND status = {RUNNING}"))
    elif query.status is Status.INTERRUPTED:
        found.add(f"(status = {INTERRUPTED} OR {silent})", now)
        either = f"status IN ({INTERRUPTED}, {RUNNING})"
        found.ways.append(Way.by_state("by_status", f"{NOT_COMPLETE} AND {either}"))
    elif query.status is not None:
        status = STATUSES.index(query.status)
        found.add(f"status = {status}")
        if query.status is not Status.COMPLETE:
            found.ways.append(
                Way.by_state("by_status", f"{NOT_COMPLETE} AND status = {status}", f"status = {status}")
            )
    if query.outcome is Outcome.UNKNOWN:
        found.add(f"(outcome = {UNKNOWN} OR {silent})", now)
        found.ways.append(Way.by_state("by_outcome", NOT_SUCCESS))
    elif query.outcome is not None:
        outcome = OUTCOMES.index(query.outcome)
        found.add(f"outcome = {outcome} AND NOT {silent}", now)
        if query.outcome is not Outcome.SUCCESS:
            found.ways.append(Way.by_state("by_outcome", f"{NOT_SUCCESS} AND outcome = {outcome}"))


def _of_names(found: Conditions, query: Query) -> None:
    for word in map(fold, query.words):
        ways = []
        for table, column in (("series", "series"), ("runs", "run")):
            match = matching(found.connection, table, word)
            ways.append(found.fitting(table, column, f"instr({table}.text, ?)", word, match=match))
        _add_any(found, ways)
    any_name = () if query.name is None else ((None, query.name),)
    of_series: list[tuple[str, ...]] = []
    if query.kind is not None:
        of_series.append(("kind = ?", to_text(query.kind)[1:-1]))
    for name, pattern in (*any_name, *query.names):
        if name in (None, *RUN_NAMES):
            _of_name(found, name, pattern)
        else:
            of_series.append(_series_fit(name, pattern))
    _add_all(found, "series", "series", of_series)


def _of_name(found: Conditions, name: str | None, pattern: str) -> None:
    if name == "map_index":
        fits = "text_fits(map_index, {})" if is_glob(pattern) else "map_index = {}"
        found.add(fits, to_text(pattern), dear=True)
        return
    ways = []
    if name is None:
        fits, *values = _series_fit(name, pattern)
        ways.append(found.fitting("series", "series", fits, *values))
    column = name or "run_id"
    begin, exact = text_needle(pattern)
    # JSON in ASCII has no higher character than `~`.
    fits = f"{column} >= ? AND {column} < ?" + ("" if exact else f" AND text_fits({column}, ?)")
    values = [begin, begin + "\x7f"] if exact else [begin, begin + "\x7f", to_text(pattern)]
    ways.append(found.fitting("runs", "run", fits, *values))
    _add_any(found, ways)


def _series_fit(name: str | None, pattern: str) -> tuple[str, ...]:
    """Return the condition on a series that a name fits a glob, or any where that is None, and parameters."""
    part, exact = needle(name, pattern)
    if exact:
        return "instr(names, ?)", part
    return "CASE WHEN instr(names, ?) THEN name_fits(names, ?) END", part, to_text([name, pattern])


def _add_all(found: Conditions, table: str, column: str, fits: Sequence[tuple[str, ...]]) -> None:
    """Add conditions on one table as one: together they may leave few."""
    if fits:
        values = (value for _, *values in fits for value in values)
        all_fit = " AND ".join(f"({condition})" for condition, *_ in fits)
        _add_any(found, [found.fitting(table, column, all_fit, *values)])


def _add_any(found: Conditions, fits: Sequence[tuple[str, Way | None]]) -> None:
    """Add that one of some conditions is met."""
    if len(fits) == 1:
        ((condition, way),) = fits
        found.add(condition, dear=way is None)
        found.ways += () if way is None else (way,)
        return
    found.add(f"({' OR '.join(condition for condition, _ in fits)})", dear=True)
    ways = [way for _, way in fits if way is not None]
    if len(ways) == len(fits):
        found.ways.append(Way.by_numbers(" UNION ALL ".join(each.selecting for each in ways)))


def _of_traits(found: Conditions, query: Query) -> None:
    wanted = [
        *(["label", *each] for each in query.labels),
        *(["label_glob", *each] for each in query.label_globs),
        *(["profiler", each] for each in query.profilers),
    ]
    fits = [("trait_fits(content, ?)", to_text(each)) for each in wanted]
    _add_all(found, "traits", "traits", fits)


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
