"""Turn events into rows and back: the one way to write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from profilerkit.archive import last_sign
from profilerkit.catalog.schema import OUTCOMES, RECORDING_COLUMNS, STATUSES
from profilerkit.catalog.texts import run_names, searchable, to_text
from profilerkit.catalog.values import LIMIT, Measure, measured
from profilerkit.codec import event_from_json, event_to_json
from profilerkit.errors import FormatError
from profilerkit.journal import DAYS, rank
from profilerkit.keys import escape
from profilerkit.model import Event, EventKind, Recording, Status

if TYPE_CHECKING:
    from sqlite3 import Connection

CHUNK = 500
"""So many values are asked for in one statement."""
ID_LENGTH = 64
VERSIONS_KEPT = 20

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INSERT = f"INSERT OR REPLACE INTO recordings VALUES ({', '.join('?' * len(RECORDING_COLUMNS))})"


def escaped(recording_id: str) -> str:
    """Return an id as the catalog has it."""
    return escape(recording_id, ID_LENGTH)


def microseconds(time: datetime) -> int:
    """Return a time as it is stored."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def time_of(number: int) -> datetime:
    """Return a time that was stored."""
    return _EPOCH + timedelta(microseconds=number)


def number_of(name: str) -> int:
    """Return the number that an id, escaped, has if no other has it: of a UUIDv7 its time, in 60 bits."""
    digits = name.replace("-", "")
    try:
        if len(name) == 36 and len(digits) == 32:
            return int(digits[:12] + digits[13:16], 16)
    except ValueError:
        pass
    return int.from_bytes(blake2b(name.encode("ascii"), digest_size=8).digest(), "big") >> 4


def write(connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
    """Write events, each with its source, where none that counts more is there.

    One that is there already takes its source from a compacted day, which stays longer.
    """
    highest: dict[str, tuple[tuple[bytes, bool], str, Event]] = {}
    for source, event in events:
        name, ranked = escaped(event.recording.id), (rank(event), source.startswith(DAYS))
        if name not in highest or ranked > highest[name][0]:
            highest[name] = (ranked, source, event)
    statement = "SELECT id, number, rank FROM events WHERE id IN"
    stored = {name: (number, place) for name, number, place in chunked(connection, statement, highest)}
    written: list[tuple[str, str | None]] = []
    for name, ((place, in_a_day), source, event) in highest.items():
        number, known = stored.get(name, (None, b""))
        if place > known or (place == known and in_a_day):
            number = _free_number(connection, name) if number is None else number
            _write(connection, number, (name, place, source), event)
            written.append((name, event.recording.parent_id))
    _show_to_whom_their_parents_are_shown(connection, written)


def _free_number(connection: Connection, name: str) -> int:
    number = number_of(name)
    while connection.execute("SELECT 1 FROM events WHERE number = ?", (number,)).fetchone():
        number += 1
    return number


def _write(connection: Connection, number: int, about: tuple[str, bytes, str], event: Event) -> None:
    gone = event.kind is EventKind.DELETED
    values = (number, *about[:2], event.kind.value, about[2], None if gone else event_to_json(event))
    connection.execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)", values)
    if gone:
        connection.execute("DELETE FROM recordings WHERE number = ?", (number,))
        return
    recording = event.recording
    subject, series = recording.subject, recording.subject.series
    run = run_names(subject)
    root = recording.parent_id is None
    connection.execute(
        _INSERT,
        (
            number,
            _known(connection, "groups", (subject.kind, to_text(subject.group))) if root else None,
            _known(
                connection, "series", (subject.kind, to_text(dict(series.names))), searchable(series.names)
            ),
            _known(connection, "runs", (to_text(run),), searchable(run)),
            _known(connection, "traits", (to_text(traits(recording)),)),
            STATUSES.index(recording.status),
            None if recording.outcome is None else OUTCOMES.index(recording.outcome),
            _silent_after(event),
            microseconds(recording.started_at),
            *(measured(recording, each.value) for each in Measure),
            measured(recording, LIMIT),
            None if root else escaped(recording.parent_id or ""),
        ),
    )


_KEYS = {"groups": "kind, name", "series": "kind, names", "runs": "names", "traits": "content"}


def _known(connection: Connection, table: str, key: tuple[str, ...], *more: str) -> int:
    """Return the id of what is kept once, and keep it if it is new."""
    where = " AND ".join(f"{each} = ?" for each in _KEYS[table].split(", "))
    found = connection.execute(f"SELECT id FROM {table} WHERE {where}", key).fetchone()
    if found is not None:
        return int(found[0])
    values = (*key, *more)
    statement = f"INSERT INTO {table} VALUES (NULL, {', '.join('?' * len(values))})"
    return int(connection.execute(statement, values).lastrowid or 0)


def traits(recording: Recording) -> dict[str, Any]:
    """Return what a recording shares with many others."""
    versions: dict[str, str] = {}
    for each in recording.captures:
        versions.update(list(each.versions.items())[:VERSIONS_KEPT])
    return {
        "labels": dict(recording.labels),
        "profilers": [each.profiler for each in recording.captures],
        "versions": versions,
    }


def _silent_after(event: Event) -> int | None:
    if event.recording.status is not Status.RUNNING:
        return None
    seen, silence = last_sign(event)
    return microseconds(seen) + silence // timedelta(microseconds=1)


def _show_to_whom_their_parents_are_shown(
    connection: Connection, written: Iterable[tuple[str, str | None]]
) -> None:
    """Give children the group of the root of their parents, none where a parent is not there."""
    parent_of = (
        "SELECT r.visible FROM events e JOIN recordings r USING (number) WHERE e.id = recordings.parent"
    )
    changed = []
    for name, parent in written:
        if parent is not None:
            statement = f"UPDATE recordings SET visible = ({parent_of}) WHERE number = "
            connection.execute(f"{statement} (SELECT number FROM events WHERE id = ?)", (name,))
        changed.append(name)
    while changed:
        statement = "SELECT id FROM recordings JOIN events USING (number) WHERE parent IN"
        children = [name for (name,) in chunked(connection, statement, changed)]
        changed = []
        for name in children:
            done = connection.execute(
                f"UPDATE recordings SET visible = ({parent_of})"
                " WHERE number = (SELECT number FROM events WHERE id = ?)"
                f" AND visible IS NOT ({parent_of})",
                (name,),
            )
            changed += [name] if done.rowcount else []


def chunked(connection: Connection, statement: str, values: Iterable[str]) -> Iterator[Any]:
    """Yield the rows of a statement that ends with IN for all values, a part of them at a time."""
    values = list(values)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        yield from connection.execute(f"{statement} ({', '.join('?' * len(part))})", part)


def read(name: str, data: bytes | None) -> Event:
    """Return the event in a row. Raises FormatError when the row is damaged."""
    event = event_from_json(data or b"")
    if escaped(event.recording.id) != name:
        raise FormatError(f"The row of {name} is of {event.recording.id}.")
    return event
