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
from profilerkit.catalog.comparing import ranking, regressions
from profilerkit.catalog.database import Database
from profilerkit.catalog.entries import escaped
from profilerkit.catalog.filters import Conditions, conditions
from profilerkit.catalog.history import grouped, parts_of, trend, usual_before
from profilerkit.catalog.orders import Order
from profilerkit.catalog.pages import Listing, related
from profilerkit.catalog.query import Field, Query
from profilerkit.catalog.rows import chunked
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.sync import ChangedError, Sync
from profilerkit.catalog.values import Measure, Page, Ranked, Regression, Row, Run, Usual
from profilerkit.errors import FormatError, NotFoundError, UsageError
from profilerkit.keys import unescape
from profilerkit.model import Event, EventKind, Recording, Subject

T = TypeVar("T")

ATTEMPTS = 10
"""So often others may make the catalog anew while we use it."""
EVERY = Query()

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

    def page(
        self,
        query: Query = EVERY,
        *,
        scope: Scope,
        sort: Field = Field.STARTED,
        descending: bool = True,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """Return at most `limit` of the recordings that are wanted and may be seen.

        `after` is `next` of the page before; raises UsageError when it is of a list in another order.
        """
        order = Order(sort, descending)
        if after is not None:
            order.place(after)
        return self._ask(
            lambda connection: Listing(connection, query, scope, order, _now()).page(limit, after)
        )

    def find(self, reference: str, *, scope: Scope) -> Event:
        """Return the recording of an id, or of the beginning of one that no other has that may be seen.

        Raises NotFoundError, whether it is not there or may not be seen; UsageError for a beginning that
        several have.
        """
        wanted = reference.strip()
        for exact in (True, False):
            for each in dict.fromkeys((wanted, wanted.lower())):
                query = Query(ids=(each,)) if exact else Query(id_prefix=each)
                rows = self.page(query, scope=scope, limit=2).rows if each else ()
                if len(rows) == 1:
                    return rows[0].event
                if rows:
                    raise UsageError(f"{reference[:80]!r} fits several recordings.", "Give more of the id.")
        raise NotFoundError(f"There is no recording {reference[:80]!r} here.")

    def ranking(
        self, measure: Measure, *, scope: Scope, since: datetime | None = None, limit: int = 10
    ) -> list[Ranked]:
        """Return the series with the highest values of single recordings since a time, the highest first.

        Child processes do not count: what they use is in the numbers of their parents.
        """
        return self._ask(lambda connection: ranking(connection, measure, scope, since, limit, _now()))

    def regressions(
        self, *, scope: Scope, since: datetime | None = None, limit: int = 20
    ) -> list[Regression]:
        """Return where the last run, begun since a time, took more than the median of the 10 before.

        Only successful runs are compared with, and there have to be 3; a rise of less than 15 % is none.
        The largest share comes first. A series may be there for each measure.
        """
        return self._ask(lambda connection: regressions(connection, scope, since, limit, _now()))

    def trend(self, series: Subject, *, scope: Scope, limit: int = 100) -> list[Run]:
        """Return the last runs of a series, the oldest first; none when it may not be seen."""

        def ask(connection: sqlite3.Connection) -> list[Run]:
            parts = parts_of(_visible(connection, scope), series, _now())
            return trend(grouped(parts, limit))

        return self._ask(ask)

    def usual(self, recording: Recording, *, scope: Scope) -> Usual:
        """Return the medians of the last 10 successful runs of its series before its own run."""
        return self.usuals([recording], scope=scope)[recording.id]

    def usuals(self, recordings: Iterable[Recording], *, scope: Scope) -> dict[str, Usual]:
        """Return for several recordings, by id, what was usual before them."""
        recordings = list(recordings)

        def ask(connection: sqlite3.Connection) -> dict[str, Usual]:
            seen = _visible(connection, scope)
            return {each.id: usual_before(seen, each, _now()) for each in recordings}

        return self._ask(ask)

    def related(self, recording: Recording, *, scope: Scope, limit: int = 200) -> list[Row]:
        """Return the other recordings of the same run, the newest first, at most `limit`.

        They are the segments, tries and map indexes of its series in its `run_id`, its parent, and the
        children of any of these.
        """
        return self._ask(lambda connection: related(connection, recording, scope, limit, _now()))

    def select(
        self, query: Query = EVERY, *, limit: int | None = None, scope: Scope = Scope.ALL
    ) -> list[Event]:
        """Return the events of the recordings that are wanted, newest first, at most `limit`."""
        return self._ask(
            lambda connection: [
                each.event for each in Listing(connection, query, scope, Order(), _now()).newest(limit)
            ]
        )

    def count(self, query: Query = EVERY, *, scope: Scope = Scope.ALL) -> int:
        """Return how many recordings are wanted."""
        return self._ask(lambda connection: Listing(connection, query, scope, Order(), _now()).count())

    def ids(self, query: Query = EVERY, *, scope: Scope = Scope.ALL) -> list[str]:
        """Return the ids of the recordings that are wanted, newest first; none that had to be shortened."""
        found = self._ask(lambda connection: Listing(connection, query, scope, Order(), _now()).names())
        return [name for name in map(unescape, found) if name is not None]

    def finals(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids whose recordings have ended."""
        names = {escaped(each): each for each in ids}
        statement = "SELECT id, kind FROM events WHERE id IN"
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


def _visible(connection: sqlite3.Connection, scope: Scope) -> Conditions:
    """Return the conditions that recordings meet which may be seen."""
    return conditions(connection, EVERY, scope, _now())


def _now() -> datetime:
    return datetime.now(timezone.utc)
