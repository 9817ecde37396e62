"""Turn what is wanted, and who asks, into conditions on the rows of a catalog."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import define, field

from profilerkit.catalog.query import Query
from profilerkit.catalog.rows import escaped, microseconds
from profilerkit.catalog.schema import OUTCOMES, STATUSES
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.texts import any_fits, fold, named_fits, to_text
from profilerkit.keys import escape
from profilerkit.model import RUN_NAMES, Outcome, Status

if TYPE_CHECKING:
    from sqlite3 import Connection

RUNNING = STATUSES.index(Status.RUNNING)
INTERRUPTED = STATUSES.index(Status.INTERRUPTED)
UNKNOWN = OUTCOMES.index(Outcome.UNKNOWN)


def name_fits(names: str, wanted: str) -> bool:
    """Tell whether the name fits a glob; both are JSON: the names, and which name with the glob."""
    return named_fits(json.loads(names), *json.loads(wanted))


def trait_fits(content: str, wanted: str) -> bool:
    """Tell whether labels or profilers are as wanted, which is JSON: what, and what it has to be."""
    traits, (what, *parts) = json.loads(content), json.loads(wanted)
    if what == "profiler":
        return any_fits(traits["profilers"], *parts)
    if what == "label_glob":
        return named_fits(traits["labels"], *parts)
    return f"{parts[0]}={parts[1]}" in {f"{key}={value}" for key, value in traits["labels"].items()}


def same_names(names: str, wanted: str) -> bool:
    """Tell whether some names have these values; both are JSON."""
    found = json.loads(names)
    return all(found.get(name) == value for name, value in json.loads(wanted).items())


FUNCTIONS: tuple[Callable[[str, str], bool], ...] = (name_fits, trait_fits, same_names)
"""What statements call by name."""


@define
class Conditions:
    """Conditions that all have to be met, and their parameters."""

    parts: list[str] = field(factory=list)
    values: dict[str, Any] = field(factory=dict)

    def add(self, condition: str, *parameters: object) -> None:
        """Add a condition with `{}` where each parameter belongs."""
        names = [f"p{len(self.values) + number}" for number in range(len(parameters))]
        self.values.update(zip(names, parameters, strict=True))
        self.parts.append(condition.format(*(f":{each}" for each in names)))

    def __str__(self) -> str:
        return " AND ".join(self.parts) or "1"


def enter(connection: Connection, scope: Scope) -> str:
    """Prepare a connection for questions within a scope; return the condition on rows."""
    if scope.everything:
        return "1"
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS allowed (id INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM temp.allowed")
    connection.executemany(
        "INSERT OR IGNORE INTO temp.allowed SELECT id FROM groups WHERE kind = ? AND name = ?",
        ((to_text(kind)[1:-1], to_text(name)) for kind, names in scope.groups.items() for name in names),
    )
    return "visible IN (SELECT id FROM temp.allowed)"


def conditions(query: Query, now: datetime) -> Conditions:
    """Return the conditions on rows of the table `recordings`."""
    found = Conditions()
    _of_state(found, query, microseconds(now))
    _of_names(found, query)
    traits = "traits IN (SELECT id FROM traits WHERE trait_fits(content, {}))"
    for key, value in query.labels:
        found.add(traits, to_text(["label", key, value]))
    for key, value in query.label_globs:
        found.add(traits, to_text(["label_glob", key, value]))
    for each in query.profilers:
        found.add(traits, to_text(["profiler", each]))
    for bound in query.bounds:
        side = microseconds(bound.value) if isinstance(bound.value, datetime) else bound.value
        found.add(f"{bound.field.value} {bound.comparison} {{}}", side)
    _of_ids(found, query)
    return found


def _of_state(found: Conditions, query: Query, now: int) -> None:
    # Silence counts only where it has to: what runs, and so may be silent, is always few.
    silent = f"(status = {RUNNING} AND silent_after < {{}})"
    if query.status is Status.RUNNING:
        found.add(f"status = {RUNNING} AND silent_after >= {{}}", now)
    elif query.status is Status.INTERRUPTED:
        found.add(f"(status = {INTERRUPTED} OR {silent})", now)
    elif query.status is not None:
        found.add("status = {}", STATUSES.index(query.status))
    if query.outcome is Outcome.UNKNOWN:
        found.add(f"(outcome = {UNKNOWN} OR {silent})", now)
    elif query.outcome is not None:
        found.add(f"outcome = {{}} AND NOT {silent}", OUTCOMES.index(query.outcome), now)


def _of_names(found: Conditions, query: Query) -> None:
    series = "series IN (SELECT id FROM series WHERE {})"
    runs = "run IN (SELECT id FROM runs WHERE {})"
    if query.kind is not None:
        found.add(series.format("kind = {}"), to_text(query.kind)[1:-1])
    for word in query.words:
        text = fold(word)
        parts = [each.format("instr(text, {}) > 0") for each in (series, runs)]
        found.add(f"({' OR '.join(parts)})", text, text)
    any_name = () if query.name is None else ((None, query.name),)
    for name, glob in (*any_name, *query.names):
        wanted = to_text([name, glob])
        where = (series, runs) if name is None else (runs,) if name in RUN_NAMES else (series,)
        parts = [each.format("name_fits(names, {})") for each in where]
        found.add(f"({' OR '.join(parts)})", *[wanted for _ in parts])


def _of_ids(found: Conditions, query: Query) -> None:
    if query.id_prefix is not None:
        # What a prefix is escaped to begins the escaped id, but for its end, which may be a dot.
        prefix = escape(query.id_prefix + "x", 1000)[:-1] if query.id_prefix else ""
        found.add(
            "number IN (SELECT number FROM events WHERE id >= {} AND id < {})",
            prefix,
            prefix + "~",
        )
    for ids, word in ((query.ids, "IN"), (query.without or None, "NOT IN")):
        if ids is not None:
            places = ", ".join("{}" for _ in ids)
            found.add(f"number {word} (SELECT number FROM events WHERE id IN ({places}))", *map(escaped, ids))
