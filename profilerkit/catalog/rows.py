"""Turn events into rows and back: the tables of a catalog, and the one way to write them.

Text that comes from outside is kept as JSON in ASCII, or escaped as in keys: SQLite takes no half of a
surrogate pair. Times are microseconds since 1970.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from profilerkit import model
from profilerkit.archive import last_sign
from profilerkit.codec import event_from_json, event_to_json
from profilerkit.errors import FormatError
from profilerkit.journal import DAYS, rank
from profilerkit.keys import escape
from profilerkit.model import Event, EventKind, Status

if TYPE_CHECKING:
    from sqlite3 import Connection

FORMAT = f"1 of {model.FORMAT}"
"""Of the tables and of the events in them. A catalog of another format is made anew."""

RECORDING_COLUMNS = {
    "recording": "TEXT PRIMARY KEY",  # the id, escaped as in keys
    "rank": "BLOB NOT NULL",  # of its event: a higher one replaces it
    "event_kind": "TEXT NOT NULL",
    "source": "TEXT NOT NULL",  # where in the journal the event was read
    "key": "TEXT",  # the folder in the store; this and what follows is null for a deleted recording
    "kind": "TEXT",
    "names": "TEXT",
    "labels": "TEXT",
    "status": "TEXT",  # as stored: a running one is interrupted after `silent_after`
    "outcome": "TEXT",
    "started_at": "INTEGER",
    "ended_at": "INTEGER",
    "alive_at": "INTEGER",
    "silent_after": "INTEGER",
    "duration_seconds": "REAL",
    "peak_rss_bytes": "REAL",
    "peak_heap_bytes": "REAL",
    "cpu_seconds": "REAL",
    "profilers": "TEXT",
    "parent": "TEXT",  # its id, escaped
}
SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # What was read of the journal; `readable` is 0 where nothing could be made of it.
    "CREATE TABLE seen (source TEXT PRIMARY KEY, readable INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE recordings ("
    + ", ".join(f"{name} {kind}" for name, kind in RECORDING_COLUMNS.items())
    + ") WITHOUT ROWID",
    # Apart, so that a look at many rows passes over them.
    "CREATE TABLE events (recording TEXT PRIMARY KEY, event BLOB NOT NULL)",
)
CHUNK = 500
"""So many values are asked for in one statement."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INSERT = f"INSERT OR REPLACE INTO recordings VALUES ({', '.join('?' * len(RECORDING_COLUMNS))})"


def names_fit(names: str, pattern: bytes) -> bool:
    """Tell whether one of the names, as they are stored, fits a glob."""
    return any_name_fits(json.loads(names).values(), pattern.decode("utf-8", "surrogatepass"))


def any_name_fits(names: Iterable[str], pattern: str) -> bool:
    """Tell whether one of the names fits a glob; case counts."""
    return any(fnmatchcase(name, pattern) for name in names)


def has_label(labels: str, wanted: bytes) -> bool:
    """Tell whether one of the labels, as they are stored, is `wanted`, which is `key=value`."""
    text = wanted.decode("utf-8", "surrogatepass")
    return any(f"{key}={value}" == text for key, value in json.loads(labels).items())


FUNCTIONS = (names_fit, has_label)
"""What statements call by name, each with a column and a text in UTF-8."""


def microseconds(time: datetime | None) -> int | None:
    """Return a time as it is stored."""
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1)


def write(connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
    """Write events, each with its source, where none that counts more is there.

    One that is there already takes its source from a compacted day, which stays longer.
    """
    highest: dict[str, tuple[tuple[bytes, bool], str, Event]] = {}
    for source, event in events:
        name, ranked = escape(event.recording.id, 64), (rank(event), source.startswith(DAYS))
        if name not in highest or ranked > highest[name][0]:
            highest[name] = (ranked, source, event)
    statement = "SELECT recording, rank FROM recordings WHERE recording IN"
    stored: dict[str, bytes] = dict(chunked(connection, statement, highest))
    for name, ((place, in_a_day), source, event) in highest.items():
        if name not in stored or place > stored[name] or (place == stored[name] and in_a_day):
            connection.execute(_INSERT, _row(name, place, source, event))
            if event.kind is EventKind.DELETED:
                connection.execute("DELETE FROM events WHERE recording = ?", (name,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO events VALUES (?, ?)", (name, event_to_json(event))
                )


def chunked(connection: Connection, statement: str, values: Iterable[str]) -> Iterator[Any]:
    """Yield the rows of a statement that ends with IN for all values, a part of them at a time."""
    values = list(values)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        yield from connection.execute(f"{statement} ({', '.join('?' * len(part))})", part)


def read(name: str, data: bytes) -> Event:
    """Return the event in a row. Raises FormatError when the row is damaged."""
    event = event_from_json(data)
    if escape(event.recording.id, 64) != name:
        raise FormatError(f"The row of {name} is of {event.recording.id}.")
    return event


def _row(name: str, place: bytes, source: str, event: Event) -> tuple[Any, ...]:
    recording = event.recording
    first = (name, place, event.kind.value, source)
    if event.kind is EventKind.DELETED:
        return (*first, *[None] * (len(RECORDING_COLUMNS) - len(first)))
    seen, silence = last_sign(event)
    silent_after = (microseconds(seen) or 0) + silence // timedelta(microseconds=1)
    return (
        *first,
        event.key,
        recording.subject.kind,
        json.dumps(dict(recording.subject.names)),
        json.dumps(dict(recording.labels)),
        recording.status.value,
        None if recording.outcome is None else recording.outcome.value,
        microseconds(recording.started_at),
        microseconds(recording.ended_at),
        microseconds(recording.alive_at),
        silent_after if recording.status is Status.RUNNING else None,
        recording.duration_seconds,
        *(recording.summary.get(each) for each in ("peak_rss_bytes", "peak_heap_bytes", "cpu_seconds")),
        json.dumps([each.profiler for each in recording.captures]),
        None if recording.parent_id is None else escape(recording.parent_id, 64),
    )
