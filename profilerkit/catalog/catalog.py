"""Answer which recordings there are, out of rows that follow the journal."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from attrs import define, field

from profilerkit.archive import Archive
from profilerkit.catalog.database import Database
from profilerkit.catalog.query import Query
from profilerkit.catalog.rows import chunked, read
from profilerkit.catalog.sync import ChangedError, Sync
from profilerkit.errors import FormatError
from profilerkit.keys import escape, unescape
from profilerkit.model import Event, EventKind

T = TypeVar("T")

ATTEMPTS = 10
"""So often others may make the catalog anew while we use it."""
ALL = Query()

log = logging.getLogger("profilerkit.catalog")


@define
class Catalog:
    """The recordings of one store. Any number of processes and threads may use one file.

    A file that is damaged, of another format or of another store is made anew; where none can be
    written, the catalog is in memory. All methods raise StoreError when the store cannot be read.
    """

    archive: Archive
    _database: Database
    _sync: Sync = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._sync = Sync(self._database, self.archive.journal)

    @classmethod
    def at(cls, folder: Path, archive: Archive, fingerprint: str) -> Catalog:
        """Return the catalog of the store with this fingerprint, its file in `folder`.

        That of a store that is gone with this process is in memory.
        """
        path = None if archive.store.ephemeral else folder / f"{fingerprint}.sqlite"
        return cls(archive, Database(path, fingerprint))

    def sync(self, *, full: bool = False) -> None:
        """Read what is new in the journal: of the last 48 hours; of all times once a day, or if `full`."""
        self._healing(lambda: self._steadily(lambda: self._sync.run(full=full)))

    def select(
        self, query: Query = ALL, *, limit: int | None = None, after: str | None = None
    ) -> list[Event]:
        """Return the events of the recordings that are wanted, newest first, at most `limit`.

        `after` is the id of the last recording that the page before had.
        """
        where, values = query.where(datetime.now(timezone.utc))
        if after is not None:
            where += " AND recording < :after"
            values["after"] = escape(after, 64)
        statement = (
            f"SELECT recording, event FROM (SELECT recording FROM recordings WHERE {where}"
            " ORDER BY recording DESC LIMIT :limit) LEFT JOIN events USING (recording)"
            " ORDER BY recording DESC"
        )
        values["limit"] = -1 if limit is None else limit
        return self._ask(
            lambda connection: [
                read(name, event or b"") for name, event in connection.execute(statement, values)
            ]
        )

    def count(self, query: Query = ALL) -> int:
        """Return how many recordings are wanted."""
        where, values = query.where(datetime.now(timezone.utc))
        statement = f"SELECT count(*) FROM recordings WHERE {where}"
        return self._ask(lambda connection: int(connection.execute(statement, values).fetchone()[0]))

    def ids(self, query: Query = ALL) -> list[str]:
        """Return the ids of the recordings that are wanted, newest first; none that had to be shortened."""
        where, values = query.where(datetime.now(timezone.utc))
        statement = f"SELECT recording FROM recordings WHERE {where} ORDER BY recording DESC"
        found = self._ask(lambda connection: connection.execute(statement, values).fetchall())
        return [name for name in (unescape(row[0]) for row in found) if name is not None]

    def finals(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids whose recordings have ended."""
        names = {escape(each, 64): each for each in ids}
        statement = "SELECT recording, event_kind FROM recordings WHERE recording IN"
        found = self._ask(lambda connection: list(chunked(connection, statement, names)))
        return {names[name] for name, kind in found if kind == EventKind.FINAL.value}

    def close(self) -> None:
        """Let go of what is in memory."""
        self._database.close()

    def _ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work that reads, on rows that a sync has completed."""

        def ask() -> T:
            with self._database.connected() as connection:
                if connection.execute("SELECT 1 FROM meta WHERE name = 'listed_at'").fetchone():
                    return work(connection)
            self._sync.run()
            raise ChangedError

        return self._healing(lambda: self._steadily(ask))

    def _steadily(self, work: Callable[[], T]) -> T:
        """Do work again while others make the catalog anew."""
        for _ in range(ATTEMPTS):
            try:
                return work()
            except ChangedError:
                continue
        raise TimeoutError("others make it anew all the time")

    def _healing(self, work: Callable[[], T]) -> T:
        """Do work; if the database is not as it should be, on a new one; if that fails too, in memory."""
        for mend in (self._database.rebuild, self._database.move_to_memory):
            try:
                return work()
            except (FormatError, sqlite3.Error, OSError, ImportError, ValueError, LookupError) as error:
                log.info("The catalog %s cannot be used as it is: %s.", self._database.path, error)
                self._mend(mend, error)
        return work()

    def _mend(self, mend: Callable[[], None], error: Exception) -> None:
        # It is whole where only others are in the way, and of no use where there is no place.
        whole = isinstance(error, (OSError, ImportError)) or "locked" in str(error)
        try:
            (self._database.move_to_memory if whole else mend)()
        except (OSError, ImportError):
            self._database.move_to_memory()
