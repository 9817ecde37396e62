"""Read what somebody typed into a search box."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from attrs import define, evolve, field

from profilerkit.catalog.query import Bound, Field, Query
from profilerkit.errors import UsageError
from profilerkit.model import Outcome, Status, parse_time

ALIASES: Mapping[str, str] = {
    "dag": "dag_id", "task": "task_id", "run": "run_id", "try": "try_number", "map": "map_index",
}  # fmt: skip
"""Short words for names of a subject."""
TERMS = (
    "name", "kind", "status", "outcome", "profiler", "peak", "cpu", "duration", "started", "since", "id",
    "label.KEY", "names.PART",
)  # fmt: skip
MOST_CHARACTERS = 2000
STATUSES = tuple(each for each in Status if each not in (Status.FAILED, Status.SKIPPED))

_BYTES = {
    "": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 10**3, "m": 1 << 20, "mib": 1 << 20, "mb": 10**6,
    "g": 1 << 30, "gib": 1 << 30, "gb": 10**9, "t": 1 << 40, "tib": 1 << 40, "tb": 10**12,
}  # fmt: skip
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBERS: Mapping[str, tuple[Field, Mapping[str, float], str]] = {
    "peak": (Field.PEAK, _BYTES, "1GiB"),
    "cpu": (Field.CPU, _SECONDS, "10s"),
    "duration": (Field.DURATION, _SECONDS, "5m"),
}
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_TERM = re.compile(
    rf"(?:(?P<name>[A-Za-z_]+(?:\.(?:[\w./-]+|{_QUOTED}))?)(?P<sign>:?(?:<=|>=|<|>|=)|:))?"
    rf'(?:(?P<quoted>{_QUOTED})|(?P<plain>[^\s"]*))(?=\s|$)'
)
_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def parse_search(text: str, *, aliases: Mapping[str, str] = ALIASES, now: datetime | None = None) -> Query:
    """Return what is wanted: words and terms such as `outcome:failed`, which all have to be met.

    The language is in the reference. Raises UsageError, in words, for what is no term.
    """
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"The search has {len(text)} characters; at most {MOST_CHARACTERS} are read.")
    reader = _Reader(aliases, now or datetime.now(timezone.utc))
    for name, sign, value in _terms(text):
        reader.take(name, sign, value)
    return reader.query


def _terms(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, sign and value of each term; of a word the first two are empty."""
    rest = text.strip()
    while rest:
        match = _TERM.match(rest)
        if match is None:
            raise UsageError(
                f"A quote in {rest[:80]!r} has no end.", 'Write "two words", and \\" for a quote.'
            )
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else _unquoted(quoted)
        yield match["name"] or "", (match["sign"] or "").lstrip(":") or (":" if match["sign"] else ""), value
        rest = rest[match.end() :].lstrip()


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


@define
class _Reader:
    """What was read so far."""

    aliases: Mapping[str, str]
    now: datetime
    query: Query = field(factory=Query)

    def take(self, name: str, sign: str, value: str) -> None:
        """Narrow the query by a term."""
        if not sign:
            self._add("words", value)
            return
        key, _, part = name.partition(".")
        key = key.lower()
        if not value:
            raise UsageError(f"{name}{sign} says nothing to look for.", f"Write {name}{sign}VALUE.")
        if key in _NUMBERS:
            self._take_number(key, sign, value)
        elif key in ("started", "since"):
            self._take_time(key, sign, value)
        elif sign not in (":", "="):
            raise UsageError(f"{name} cannot be compared with {sign}.", f"Write {name}:{value}.")
        elif key in ("label", "names") and part:
            where = "label_globs" if key == "label" else "names"
            self._add(where, (_unquoted(part) if part.startswith('"') else part, value))
        else:
            self._take_word(name.lower(), value)

    def _take_word(self, key: str, value: str) -> None:
        if key == "name":
            self._add("names", (None, value))
        elif key == "profiler":
            self._add("profilers", value)
        elif key in self.aliases:
            self._add("names", (self.aliases[key], value))
        elif key == "status":
            self._set("status", Status(_one_of(key, value, STATUSES)))
        elif key == "outcome":
            self._set("outcome", Outcome(_one_of(key, value, tuple(Outcome))))
        elif key == "kind":
            self._set("kind", value)
        elif key == "id":
            self._set("id_prefix", value.lower())
        else:
            raise UsageError(f"Nothing is known as {key}: here.", self._suggestion(key))

    def _take_number(self, key: str, sign: str, value: str) -> None:
        where, units, example = _NUMBERS[key]
        match = _NUMBER.fullmatch(value)
        factor = None if match is None else units.get(match[2].lower())
        if match is None or factor is None:
            raise UsageError(
                f"{value!r} is nothing that {key} can be compared with.", f"Write {key}>{example}."
            )
        number = float(match[1]) * factor
        self._add("bounds", Bound(where, "=" if sign == ":" else sign, min(number, 1e300)))

    def _take_time(self, key: str, sign: str, value: str) -> None:
        if key == "since":
            sign = ">="
            match = _NUMBER.fullmatch(value)
            if match is not None and match[2].lower() in _SECONDS and match[2]:
                age = min(float(match[1]) * _SECONDS[match[2].lower()], 1e10)
                self._add("bounds", Bound(Field.STARTED, ">=", self.now - timedelta(seconds=age)))
                return
        first, last = _stretch(key, value)
        sides = {"<": [("<", first)], "<=": [("<", last)], ">": [(">=", last)], ">=": [(">=", first)]}
        for comparison, time in sides.get(sign, [(">=", first), ("<", last)]):
            self._add("bounds", Bound(Field.STARTED, comparison, time))

    def _add(self, where: str, value: object) -> None:
        changes: dict[str, Any] = {where: (*getattr(self.query, where), value)}
        self.query = evolve(self.query, **changes)

    def _set(self, where: str, value: Any) -> None:
        if getattr(self.query, where) not in (None, value):
            raise UsageError(f"{where.partition('_')[0]}: is there twice, and no recording is both.")
        self.query = evolve(self.query, **{where: value})

    def _suggestion(self, key: str) -> str:
        known = [*TERMS, *self.aliases]
        near = difflib.get_close_matches(key, known, 1)
        return (
            f"Did you mean {near[0]}:?" if near else f'There are {", ".join(known)}; quote a word with ":".'
        )


def _one_of(key: str, value: str, known: tuple[Any, ...]) -> str:
    found: str = value.lower()
    if found not in {each.value for each in known}:
        raise UsageError(
            f"There is no {key} {value!r}.", f"There are {', '.join(each.value for each in known)}."
        )
    return found


def _stretch(key: str, value: str) -> tuple[datetime, datetime]:
    """Return where the day, or the microsecond, begins and where the next one does."""
    try:
        time = parse_time(value.upper())
        time = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
        whole = timedelta(days=1) if _DATE.fullmatch(value) else timedelta(microseconds=1)
        return time, time + whole
    except (ValueError, OverflowError):
        raise UsageError(
            f"{value!r} is no time that {key} can be compared with.",
            f"Write {key}>2026-11-01 or {key}>2026-11-01T08:00Z (without a zone it is UTC).",
        ) from None
