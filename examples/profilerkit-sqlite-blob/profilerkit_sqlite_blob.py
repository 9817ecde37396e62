"""Keep a profilerkit store in one SQLite file."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from profilerkit.errors import NotFoundError, StoreError, UsageError
from profilerkit.interfaces import ResultStore, StoredObject
from profilerkit.keys import check_key, check_prefix

CHUNK_BYTES = 1 << 20
TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE objects (id INTEGER PRIMARY KEY, key TEXT UNIQUE, size INTEGER, modified REAL);
CREATE TABLE chunks (object INTEGER, number INTEGER, data BLOB, UNIQUE (object, number));
"""


@frozen
class SqliteBlobStore(ResultStore):
    """A store in a file. Objects are kept in chunks, so that none is ever whole in memory."""

    path: Path

    @classmethod
    def from_url(cls, url: str) -> SqliteBlobStore:
        path = Path(url.partition("://")[2])
        if not path.is_absolute():
            raise UsageError(f"{url!r} has no absolute path.", "Write sqlite-blob:///path/file.db.")
        return cls(path)

    def put(self, key: str, data: Path | bytes) -> None:
        check_key(key)
        with self._database(create=True) as database, self._transaction(database):
            self._forget(database, "key = ?", key)
            stream = data.open("rb") if isinstance(data, Path) else io.BytesIO(data)
            with stream:
                row = "INSERT INTO objects (key, size, modified) VALUES (?, 0, ?)"
                number = database.execute(row, (key, time.time())).lastrowid
                for position, chunk in enumerate(iter(lambda: stream.read(CHUNK_BYTES), b"")):
                    database.execute("INSERT INTO chunks VALUES (?, ?, ?)", (number, position, chunk))
                    database.execute("UPDATE objects SET size = size + ? WHERE id = ?", (len(chunk), number))

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        check_key(key)
        missing = NotFoundError(f"The store {self.path} has no {key}.")
        if not self.path.exists():
            raise missing
        with self._database() as database:
            # A transaction sees the store as it was at its beginning, whatever is replaced meanwhile.
            database.execute("BEGIN")
            found = database.execute("SELECT id FROM objects WHERE key = ?", (key,)).fetchone()
            if found is None:
                raise missing
            with io.BufferedReader(_Chunks(database, found[0])) as stream:
                yield stream

    def list(self, prefix: str) -> Iterator[StoredObject]:
        check_prefix(prefix)
        if not self.path.exists():
            return
        with self._database() as database:
            query = "SELECT key, size, modified FROM objects WHERE key GLOB ?"
            rows = database.execute(query, (prefix + "*",)).fetchall()
        for key, size, modified in rows:
            yield StoredObject(key, size, datetime.fromtimestamp(modified, timezone.utc))

    def delete(self, prefix: str) -> None:
        check_key(prefix)
        if not self.path.exists():
            return
        with self._database() as database, self._transaction(database):
            self._forget(database, "key = ? OR key GLOB ?", prefix, f"{prefix}/*")

    @staticmethod
    def _forget(database: sqlite3.Connection, where: str, *values: str) -> None:
        doomed = f"SELECT id FROM objects WHERE {where}"
        database.execute(f"DELETE FROM chunks WHERE object IN ({doomed})", values)
        database.execute(f"DELETE FROM objects WHERE {where}", values)

    @contextlib.contextmanager
    def _database(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Connect anew for each use: threads and forked children must not share a connection."""
        try:
            if create and not self.path.exists():
                self._create()
            connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
            with contextlib.closing(connection) as database:
                yield database
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"The store {self.path} cannot be used: {error}.") from error

    def _create(self) -> None:
        """Make the file aside and then put it in place, with its tables, unless another was faster."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent) as folder:
            new = Path(folder, "new.db")
            os.close(os.open(new, os.O_CREAT | os.O_RDWR, 0o600))
            with contextlib.closing(sqlite3.connect(new)) as database:
                database.executescript(TABLES)
            with contextlib.suppress(FileExistsError):
                os.link(new, self.path)

    @staticmethod
    @contextlib.contextmanager
    def _transaction(database: sqlite3.Connection) -> Iterator[None]:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")


class _Chunks(io.RawIOBase):
    """Read the chunks of an object one after the other."""

    def __init__(self, database: sqlite3.Connection, number: int) -> None:
        self._rows = database.execute("SELECT data FROM chunks WHERE object = ? ORDER BY number", (number,))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._rows, (b"",))[0])
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
