"""Open the SQLite file of a catalog: its user's alone, whole, of this format and store, or made anew.

Any process and thread may do so at any time. A connection lives as long as one piece of work, and holds a
shared lock on a file beside the database; whoever deletes the database holds that lock alone, since
SQLite does not stand that while others have it open. The lock file counts the deletions.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from profilerkit.catalog.filters import FUNCTIONS
from profilerkit.catalog.schema import BOUNDS, EARLY_INDEXES, FORMAT, LATE_INDEXES, TABLES
from profilerkit.catalog.words import index_words
from profilerkit.errors import FormatError
from profilerkit.ids import uuid7

BUSY_SECONDS = 10.0
"""How long to wait for others that write."""
BUILD_SECONDS = 900.0
"""How long to wait for another that makes the database anew."""
FILES = ("", "-wal", "-shm", "-journal")
READ_CACHE_KIB = 16 << 10
BUILD_CACHE_KIB = 128 << 10


@define
class Database:
    """The database of one catalog, in a file, or in memory when `path` is None."""

    path: Path | None
    store: str
    """The fingerprint of the store that it is of."""
    _deletions: int = field(default=0, init=False)
    _memory: sqlite3.Connection | None = field(default=None, init=False)
    _memory_lock: threading.RLock = field(factory=threading.RLock, init=False, repr=False)

    @contextlib.contextmanager
    def connected(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction, which is rolled back when the block raises.

        Raises FormatError, sqlite3.Error, OSError and ImportError.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def replacing(self) -> Iterator[sqlite3.Connection | None]:
        """Give a connection to a new database, which takes the place of this one when the block is left.

        Nobody else sees it before, and others go on reading what is there. One process at a time does this:
        None is given when another just did. Nothing has changed when the block raises.
        """
        if self.path is None:
            with self._memory_lock:
                connection = _connect(":memory:", thread_check=False)
                self._create(connection, indexed=False)
                yield connection
                self.close()
                self._memory = connection
            return
        _make_folder(self.path.parent)
        seen = self._generation()
        with self._locked(".building", BUILD_SECONDS):
            if self._generation() != seen:
                yield None
                return
            new = Path(f"{self.path}.new")
            _unlink(new)
            try:
                with contextlib.closing(_connect(str(new))) as connection:
                    new.chmod(0o600)
                    for pragma in (
                        "threads = 2",
                        "journal_mode = OFF",
                        "synchronous = OFF",
                        f"cache_size = -{BUILD_CACHE_KIB}",
                    ):
                        connection.execute(f"PRAGMA {pragma}").fetchone()
                    self._create(connection, indexed=False)
                    yield connection
                    connection.execute("PRAGMA journal_mode = WAL").fetchone()
                self._replace(new)
            finally:
                _unlink(new)

    def _generation(self) -> str | None:
        """Return what tells this database from one that was made before or after."""
        with self.connected() as connection:
            row = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
            return None if row is None else str(row[0])

    def _replace(self, new: Path) -> None:
        with self._alone() as lock:
            self._count_deletion(lock)
            assert self.path is not None
            for suffix in FILES[1:]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self.path}{suffix}")
            os.replace(new, self.path)

    def rebuild(self) -> None:
        """Delete the database, unless another process did so since it was last opened here.

        Raises OSError when that cannot be.
        """
        if self.path is None:
            self.move_to_memory()
            return
        with self._alone() as lock:
            if _deletions(lock) == self._deletions:
                self._count_deletion(lock)
                _unlink(self.path)

    def _count_deletion(self, lock: int) -> None:
        os.pwrite(lock, b"%020d" % (_deletions(lock) + 1), 0)

    def move_to_memory(self) -> None:
        """Use an empty database in memory from now on."""
        with self._memory_lock:
            self.path = None
            self.close()

    def close(self) -> None:
        """Let go of a database in memory."""
        with self._memory_lock:
            if self._memory is not None:
                self._memory.close()
                self._memory = None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self.path is None:
            with self._memory_lock:
                if self._memory is None:
                    self._memory = _connect(":memory:", thread_check=False)
                    self._create(self._memory)
                yield self._memory
            return
        _make_folder(self.path.parent)
        if not _has_content(self.path):
            with self._alone():
                if not _has_content(self.path):
                    with contextlib.closing(_connect(str(self.path))) as connection:
                        # By name: to close a descriptor of ours would drop locks that SQLite holds.
                        self.path.chmod(0o600)
                        self._create(connection)
        with self._among_others() as lock:
            self._deletions = _deletions(lock)
            with contextlib.closing(_connect(str(self.path))) as connection:
                self._check(connection)
                yield connection

    def _create(self, connection: sqlite3.Connection, *, indexed: bool = True) -> None:
        """Make the tables in an empty database."""
        if indexed:
            # Where a filesystem cannot have that mode, it stays as it is.
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*TABLES, *EARLY_INDEXES, *((*LATE_INDEXES, *BOUNDS) if indexed else ())):
            connection.execute(statement)
        if indexed:
            index_words(connection)
        about = {"format": FORMAT, "store": self.store, "generation": uuid7()}
        connection.executemany("INSERT INTO meta VALUES (?, ?)", about.items())
        connection.execute("COMMIT")

    def _check(self, connection: sqlite3.Connection) -> None:
        """Refuse a database that is not this catalog's."""
        found = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('format', 'store')"))
        if found != {"format": FORMAT, "store": self.store}:
            raise FormatError(f"It has format {found.get('format')}, of the store {found.get('store')}.")

    @contextlib.contextmanager
    def _among_others(self) -> Iterator[int]:
        """Hold the lock file together with others that read and write, unless somebody waits to be alone."""
        with self._locked(".gate", shared=True):
            lock = self._locked(".lock", shared=True)
            descriptor = lock.__enter__()
        with contextlib.ExitStack() as stack:
            stack.push(lock)
            yield descriptor

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """Hold the lock file alone: nobody comes in meanwhile, and whoever is in is waited for."""
        with self._locked(".gate"), self._locked(".lock") as descriptor:
            yield descriptor

    @contextlib.contextmanager
    def _locked(self, suffix: str, seconds: float = BUSY_SECONDS, *, shared: bool = False) -> Iterator[int]:
        """Hold a lock on a file beside the database. Raises TimeoutError when others do not let go of it."""
        import fcntl  # where there is none, the catalog stays in memory

        name = f"{self.path}{suffix}"
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            end = time.monotonic() + seconds
            while True:
                try:
                    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise TimeoutError(f"{name} is held by others") from None
                    time.sleep(0.005)
            yield descriptor
        finally:
            os.close(descriptor)


def _unlink(path: Path) -> None:
    for suffix in FILES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")


def _connect(name: str, *, thread_check: bool = True) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=thread_check
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{READ_CACHE_KIB}")
    for function in FUNCTIONS:
        connection.create_function(function.__name__, 2, function, deterministic=True)
    return connection


def _deletions(lock: int) -> int:
    text = os.pread(lock, 20, 0)
    return int(text) if text.isdigit() else 0


def _make_folder(folder: Path) -> None:
    """Make the folder of catalogs, for nobody else's eyes. Raises PermissionError when it is another's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = _ours(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{folder} is no folder")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def _has_content(path: Path) -> bool:
    """Tell whether a file is there and not empty. Raises PermissionError when it is another's."""
    try:
        found = _ours(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise PermissionError(f"{path} is no plain file")
    return found.st_size > 0


def _ours(path: Path) -> os.stat_result:
    found = os.lstat(path)
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise PermissionError(f"{path} does not belong to this user")
    return found
