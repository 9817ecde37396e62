"""Follow the journal: find out which of its keys are new, read them, and write their events as rows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from operator import attrgetter, itemgetter
from sqlite3 import Connection

from attrs import define, frozen

from profilerkit.catalog.database import Database
from profilerkit.catalog.daywork import MUCH_BYTES, DayWork, processes
from profilerkit.catalog.entries import Entry, careful_entry_of, entry_of
from profilerkit.catalog.rows import Writer, chunked, note
from profilerkit.catalog.schema import BOUNDS, LATE_INDEXES
from profilerkit.catalog.standings import appraise
from profilerkit.catalog.words import index_words
from profilerkit.codec import format_time
from profilerkit.journal import DAYS, Journal, PassedOver, order, told_by, version
from profilerkit.model import EventKind

WINDOW = timedelta(hours=48)
"""Events this old are looked for at each sync; later than that come only those of clocks that are wrong."""
FULL_SECONDS = 24 * 3600.0
"""How often the whole journal is listed."""
FEW_EVENTS = 100
"""So many are read before a pattern is compiled that reads more of them faster."""
BATCH = 1000
"""So many events are written in one transaction; a sync that is killed has lost no more."""


class ChangedError(Exception):
    """The catalog was made anew meanwhile: what was known of it is void."""


@frozen
class _Known:
    """What the catalog had when a sync began."""

    generation: str
    sources: dict[str, bool]
    """What was read of the part of the journal that is to be listed, and whether it could be."""
    since: datetime | None
    """Where that part begins; None when it is the whole."""
    empty: bool


@define
class Sync:
    """Bring a database up to date. Several may do so at once: each step is right by itself."""

    database: Database
    journal: Journal

    def run(self, *, full: bool = False) -> None:
        """Read what is new. Raises ChangedError when it has to begin again.

        Order, repetition and lateness of events do not matter, because only an event that counts more
        replaces another, and that a key was read is written together with its events.
        """
        known = self._known(None if full else datetime.now(timezone.utc) - WINDOW)
        listed = self._list(known.since)
        if known.empty and listed:
            self._make_anew(listed)
            return
        if known.since is not None and not self._is_the_same(known, listed):
            # Something was taken away, compacted or by hand: only the whole tells what is left.
            known = self._known(None)
            listed = self._list(None)
        self._read(known, listed)
        if known.since is None:
            self._finish(known, listed)

    def _known(self, since: datetime | None) -> _Known:
        """Return what was read since an hour; of all times when that is None, or has to be."""
        with self.database.connected() as connection:
            meta = dict(connection.execute("SELECT name, value FROM meta"))
            age = time.time() - float(meta.get("listed_at", 0.0))
            empty = connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None
            if empty or not 0 <= age < FULL_SECONDS:
                since = None
            bounds = ("", "") if since is None else _bounds(since)
            statement = (
                "SELECT source, readable FROM seen WHERE readable IS NOT NULL"
                " AND (source >= ? AND source < ? OR source >= ?)"
            )
            rows = connection.execute(statement, (*bounds, "" if since is None else DAYS))
            return _Known(meta["generation"], {key: bool(readable) for key, readable in rows}, since, empty)

    def _list(self, since: datetime | None) -> dict[str, str]:
        """Return what can be read: its source, which is a name for a content that stays, to its key."""
        keys = self.journal.keys(since)
        loose = {key: key for key in keys if not key.startswith(DAYS)}
        return loose | {version(each): each.key for each in self.journal.days()}

    def _is_the_same(self, known: _Known, listed: dict[str, str]) -> bool:
        """Tell whether what was read is still there, as far as that is cheap to tell."""
        if known.sources:
            return not known.sources.keys() - listed.keys()
        with self.database.connected() as connection:
            (newest,) = connection.execute("SELECT max(source) FROM seen").fetchone()
        return newest is not None and any(each.key == newest for each in self.journal.store.list(newest))

    def _read(self, known: _Known, listed: dict[str, str]) -> None:
        """Read what is new; what could not be read before too, when everything is listed."""
        again = known.since is None
        unread = {
            key: source
            for source, key in listed.items()
            if source not in known.sources or (again and not known.sources[source])
        }
        needless = self._outdone(unread)
        keys = [key for key in unread if key not in needless]
        batch: list[tuple[str, Entry]] = []
        done: dict[str, bool] = {}
        for key, group in groupby(self._decisive(keys, known.sources), key=itemgetter(0)):
            for _, entry in group:
                batch.append((unread.get(key, key), entry))
                if len(batch) >= BATCH:
                    self._write(known, batch, done)
            if key in unread:
                done[unread.pop(key)] = True
        self._write(known, batch, done)
        needless = self._outdone(unread)
        self._write(known, [], {source: key in needless for key, source in unread.items()})

    def _decisive(self, keys: Sequence[str], known: Container[str]) -> Iterator[tuple[str, Entry]]:
        few = len(keys) <= FEW_EVENTS and not any(each.startswith(DAYS) for each in keys)
        parse = careful_entry_of if few else entry_of
        return self.journal.decisive(keys, parse, attrgetter("name"), known=known)

    def _write(self, known: _Known, batch: list[tuple[str, Entry]], done: dict[str, bool]) -> None:
        """Write entries, and what was read with them, and empty both."""
        if not batch and not done:
            return
        with self._writing(known) as connection:
            writer = Writer(connection)
            writer.write(batch)
            appraise(connection, writer.touched)
            note(connection, done)
        batch.clear()
        done.clear()

    def _make_anew(self, listed: dict[str, str]) -> None:
        """Read everything into a new database, which others see when it is whole."""
        sources = {key: source for source, key in listed.items()}
        with self.database.replacing() as connection:
            if connection is None:
                raise ChangedError
            connection.execute("BEGIN")
            writer = Writer(connection, together=True)
            read = set(self._read_days(writer, sources))
            done = {sources[key] for key in read}
            batch: list[tuple[str, Entry]] = []
            for key, entry in self._decisive([key for key in sources if key not in read], done):
                read.add(key)
                batch.append((sources.get(key, key), entry))
                if len(batch) >= BATCH:
                    writer.write(batch)
                    batch.clear()
            writer.write(batch)
            for statement in LATE_INDEXES:
                connection.execute(statement)
            index_words(connection)
            writer.show_children()
            for statement in BOUNDS:
                connection.execute(statement)
            appraise(connection, None)
            read |= _outdone(connection, sources.keys() - read)
            note(connection, {source: key in read for key, source in sources.items()})
            connection.execute("INSERT INTO meta VALUES ('listed_at', ?)", (time.time(),))
            connection.execute("COMMIT")

    def _read_days(self, writer: Writer, sources: dict[str, str]) -> Iterator[str]:
        """Write what is in compacted days, if that is much, and yield those that are done."""
        days = [each for each in self.journal.days() if version(each) == sources.get(each.key)]
        if sum(each.size_bytes for each in days) < MUCH_BYTES or processes() < 2:
            return
        keys = [each.key for each in days]
        sample = next(self.journal.decisive(keys, bytes, lambda _: ""), None)
        if sample is None:
            return
        work = DayWork(self.journal.store, keys, writer.packer(sample[1]).sample)
        passed_over = PassedOver()
        with contextlib.closing(work.run()) as found:
            for key, batch in found:
                if batch is None:
                    yield key
                    continue
                writer.write(((sources[key], each) for each in batch.entries), packed=True)
                for each in batch.problems:
                    passed_over.note(key, each)
        passed_over.tell_the_rest()

    def _finish(self, known: _Known, listed: dict[str, str]) -> None:
        """Forget what is no longer in the journal, and note that the whole of it was listed.

        Where only what is gone told of a recording, other events may count now: everything is read
        again. Not for deleted ones, of which nothing has to be left.
        """
        gone = known.sources.keys() - listed.keys()
        with self._writing(known) as connection:
            sources = {
                number for (number,) in chunked(connection, "SELECT id FROM seen WHERE source IN", gone)
            }
            rows = connection.execute("SELECT number, kind, source FROM events") if gone else ()
            lost = [(number, kind) for number, kind, source in rows if source in sources]
            void = any(kind != EventKind.DELETED.value for _, kind in lost)
            if not void:
                numbers = ((number,) for number, _ in lost)
                connection.executemany("DELETE FROM events WHERE number = ?", numbers)
                connection.executemany("DELETE FROM seen WHERE source = ?", ((each,) for each in gone))
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('listed_at', ?)", (time.time(),))
        if void:
            self._make_anew(listed)

    @contextlib.contextmanager
    def _writing(self, known: _Known) -> Iterator[Connection]:
        """Give a connection that writes. Raises ChangedError when what is known is void."""
        with self.database.connected(write=True) as connection:
            found = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
            if found != (known.generation,):
                raise ChangedError
            yield connection

    def _outdone(self, keys: Iterable[str]) -> set[str]:
        with self.database.connected() as connection:
            return _outdone(connection, keys)


def _outdone(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Return the keys of events that need not be read: a row has an event of a higher kind."""
    told = {key: found for key in keys if (found := told_by(key)) is not None}
    statement = "SELECT id, kind FROM events WHERE id IN"
    rows: dict[str, str] = dict(chunked(connection, statement, {name for name, _ in told.values()}))
    return {
        key
        for key, (name, kind) in told.items()
        if name in rows and order(EventKind(rows[name])) > order(kind)
    }


def _bounds(since: datetime) -> tuple[str, str]:
    """Return between which keys the loose events since an hour are, as the journal lists them."""
    after = datetime.now(timezone.utc).date() + timedelta(days=2)
    return f"journal/{format_time(since)[:13]}", f"journal/{after.isoformat()}"
