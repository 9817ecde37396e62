"""Write what is kept of events as rows: the one way to change the content of a catalog."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

from profilerkit.catalog.entries import Entry
from profilerkit.catalog.packing import Packer
from profilerkit.catalog.schema import GROUP_COLUMNS, KEYS, RECORDING_COLUMNS
from profilerkit.catalog.texts import searchable
from profilerkit.journal import DAYS
from profilerkit.model import EventKind

if TYPE_CHECKING:
    from sqlite3 import Connection

CHUNK = 500
"""So many values are asked for in one statement."""
MOST_REMEMBERED = 50_000
"""Texts of a table whose ids are remembered."""

ENTRY_COLUMNS = slice(Entry._fields.index("status"), None)
"""What of an entry is in the columns of a recording as it is."""

_RECORDING = f"INSERT OR REPLACE INTO recordings VALUES ({', '.join('?' * len(RECORDING_COLUMNS))})"
_EVENT = "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)"
_PARENTS_GROUP = (
    "SELECT r.visible FROM events e JOIN recordings r USING (number) WHERE e.id = recordings.parent"
)


@define
class Writer:
    """Write entries in one transaction, each where none that counts more is there.

    Children are shown to whoever may see the root of their parents: as they are written, or, when
    `together`, all at once by `show_children`, for which nothing else may have been there before.
    """

    connection: Connection
    together: bool = False
    touched: set[int] = field(factory=set)
    """The series that have changed."""
    _packer: Packer | None = None
    _highest: int = -1
    _ids: dict[str, dict[Any, int]] = field(factory=lambda: {table: {} for table in KEYS})

    def __attrs_post_init__(self) -> None:
        (highest,) = self.connection.execute("SELECT max(number) FROM events").fetchone()
        self._highest = -1 if highest is None else highest
        self._packer = packer_of(self.connection)

    def write(self, entries: Iterable[tuple[str, Entry]], *, packed: bool = False) -> None:
        """Write entries, each with its source; their events are `packed` already, or are now.

        One that is there already takes its source from a compacted day, which stays longer.
        """
        best: dict[str, tuple[str, Entry]] = {}
        for source, entry in entries:
            other = best.get(entry.name)
            if other is None or _counts_more(entry.place, source, other[1].place, other[0]):
                best[entry.name] = (source, entry)
        known = self._known(entry for _, entry in best.values())
        events, rows, gone, written = [], [], [], []
        for name, (source, entry) in best.items():
            number, place = known[name]
            if place is not None and not (
                entry.place > place or (entry.place == place and source[: len(DAYS)] == DAYS)
            ):
                continue
            written.append(entry)
            deleted = entry.kind == EventKind.DELETED.value
            event = None if deleted else entry.event if packed else self.packer(entry.event).pack(entry.event)
            events.append((number, name, entry.place, entry.kind, self._source(source), event))
            if deleted:
                gone.append((number,))
            else:
                rows.append(self._row(number, entry))
            if place is not None:
                self._touch(number)
        self.connection.executemany(_EVENT, events)
        self.connection.executemany(_RECORDING, rows)
        self.connection.executemany("DELETE FROM recordings WHERE number = ?", gone)
        if not self.together:
            self._show(written)

    def _known(self, entries: Iterable[Entry]) -> dict[str, tuple[int, bytes | None]]:
        """Return the number of each recording, and the place of its event if it has one."""
        found: dict[str, tuple[int, bytes | None]] = {}
        taken: set[int] = set()
        older = []
        for each in entries:
            if each.number <= self._highest or each.number in taken:
                older.append(each)
            else:
                found[each.name] = (each.number, None)
                taken.add(each.number)
        statement = "SELECT number, id, place FROM events WHERE number IN"
        stored = {
            row[0]: row[1:] for row in chunked(self.connection, statement, {each.number for each in older})
        }
        for each in older:
            number = each.number
            row = stored.get(number)
            while number in taken or (row is not None and row[0] != each.name):
                number += 1
                row = self.connection.execute(
                    "SELECT id, place FROM events WHERE number = ?", (number,)
                ).fetchone()
            found[each.name] = (number, None if row is None else row[1])
            taken.add(number)
        self._highest = max(self._highest, *taken) if taken else self._highest
        return found

    def packer(self, event: bytes) -> Packer:
        """Return what packs events; the first is the sample of all others."""
        if self._packer is None:
            self._packer = Packer.like(event)
            self.connection.execute("INSERT INTO meta VALUES ('sample', ?)", (self._packer.sample,))
        return self._packer

    def _row(self, number: int, entry: Entry) -> tuple[Any, ...]:
        series, group = self._series(entry)
        self.touched.add(series)
        return (
            number,
            group if entry.parent is None else None,
            series,
            self._run(entry) if entry.run_id or entry.try_number else None,
            entry.map_index,
            self._kept("traits", (entry.traits,)),
            *tuple(entry)[ENTRY_COLUMNS],
        )

    def _touch(self, number: int) -> None:
        """Note that what there was of a recording is replaced."""
        row = self.connection.execute("SELECT series FROM recordings WHERE number = ?", (number,)).fetchone()
        self.touched.update(row or ())

    # -- what is kept once -------------------------------------------------------------------------

    def _source(self, source: str) -> int:
        return self._kept("seen", (source,), (None,))

    def _series(self, entry: Entry) -> tuple[int, int]:
        """Return the ids of the series and of the group."""
        kind, names = entry.subject_kind, entry.series
        group = self._ids["groups"].get((kind, entry.group))
        if group is None:
            more: tuple[object, ...] = (None,) * (len(GROUP_COLUMNS) - 3)
            group = self._kept("groups", (kind, entry.group), more)
        series = self._ids["series"].get((kind, names))
        if series is None:
            more = (searchable(json.loads(names)), group, None, None, None, None)
            series = self._kept("series", (kind, names), more)
        return series, group

    def _run(self, entry: Entry) -> int:
        key = (entry.run_id, entry.try_number)
        found = self._ids["runs"].get(key)
        if found is None:
            text = searchable({"run_id": json.loads(entry.run_id)} if entry.run_id else {})
            found = self._kept("runs", key, (text,))
        return found

    def _kept(self, table: str, key: tuple[str, ...], more: tuple[object, ...] = ()) -> int:
        """Return the id of what is kept once; keep it if it is new."""
        ids = self._ids[table]
        found = ids.get(key)
        if found is None:
            if len(ids) >= MOST_REMEMBERED:
                ids.clear()
            found = ids[key] = self._look_up(table, key, more)
        return found

    def _look_up(self, table: str, key: tuple[str, ...], more: tuple[object, ...]) -> int:
        where = " AND ".join(f"{each} = ?" for each in KEYS[table])
        row = self.connection.execute(f"SELECT id FROM {table} WHERE {where}", key).fetchone()
        if row is not None:
            return int(row[0])
        values = (*key, *more)
        statement = f"INSERT INTO {table} VALUES (NULL, {', '.join('?' * len(values))})"
        number = self.connection.execute(statement, values).lastrowid
        assert number is not None
        return number

    # -- children ------------------------------------------------------------------------------------

    def _show(self, written: Iterable[Entry]) -> None:
        """Give children the group of the root of their parents, none where a parent is not there."""
        changed = [each.name for each in written]
        own = "WHERE number = (SELECT number FROM events WHERE id = ?)"
        for each in written:
            if each.parent is not None:
                self.connection.execute(
                    f"UPDATE recordings SET visible = ({_PARENTS_GROUP}) {own}", (each.name,)
                )
        statement = "SELECT id FROM recordings JOIN events USING (number) WHERE parent IN"
        while changed:
            children = [name for (name,) in chunked(self.connection, statement, changed)]
            changed = []
            for name in children:
                done = self.connection.execute(
                    f"UPDATE recordings SET visible = ({_PARENTS_GROUP}) {own}"
                    f" AND visible IS NOT ({_PARENTS_GROUP})",
                    (name,),
                )
                changed += [name] if done.rowcount else []

    def show_children(self) -> None:
        """Give all children their group at once."""
        while True:
            done = self.connection.execute(
                f"UPDATE recordings SET visible = ({_PARENTS_GROUP})"
                f" WHERE parent IS NOT NULL AND visible IS NULL AND ({_PARENTS_GROUP}) IS NOT NULL"
            )
            if done.rowcount <= 0:
                return


def note(connection: Connection, done: Mapping[str, bool]) -> None:
    """Note what was read of the journal, and whether it could be."""
    statement = (
        "INSERT INTO seen (source, readable) VALUES (?, ?)"
        " ON CONFLICT (source) DO UPDATE SET readable = excluded.readable"
    )
    connection.executemany(statement, done.items())


def packer_of(connection: Connection) -> Packer | None:
    """Return what packs and unpacks the events of a catalog; None while there is none."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'sample'").fetchone()
    return None if row is None else Packer(bytes(row[0]))


def _counts_more(place: bytes, source: str, other: bytes, other_source: str) -> bool:
    return (place, source.startswith(DAYS)) > (other, other_source.startswith(DAYS))


def chunked(connection: Connection, statement: str, values: Iterable[Any]) -> Iterator[Any]:
    """Yield the rows of a statement that ends with IN for all values, a part of them at a time."""
    values = list(values)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        yield from connection.execute(f"{statement} ({', '.join('?' * len(part))})", part)
