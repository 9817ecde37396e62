"""Keep a store in a local folder, atomically and without fsspec.

What it makes has the rights of the root folder; a root that it makes itself is for its user alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from profilerkit.errors import NotFoundError, StoreError
from profilerkit.interfaces import ResultStore, StoredObject
from profilerkit.keys import KEY_LENGTH, TEMPORARY, check_key, check_prefix, is_part
from profilerkit.storeurl import local_path

RACE_SECONDS = 10.0
"""How long a put tries against others that delete the folders which it makes."""
STALE_SECONDS = 24 * 3600.0
"""A temporary file this old belongs to a writer that was killed."""


@frozen
class LocalStore(ResultStore):
    """A store in a folder. It follows no symbolic link that leads out of the folder."""

    root: Path
    """Absolute, symbolic links resolved."""

    @classmethod
    def from_url(cls, url: str) -> LocalStore:
        """Return the store in the folder that a path or `file://` URL names."""
        return cls(local_path(url))

    def put(self, key: str, data: Path | bytes) -> None:
        """Store a file or bytes under a temporary name, then rename.

        The file is synced before: a network filesystem or a quota reports a full disk only then, and
        whoever has put may delete the original. The folder is not: after a power cut the object may
        be missing, never torn.
        """
        with self._in_words("written"):
            target = self._inside(key)
            mode = self._make_root()
            if isinstance(data, Path):
                _sweep(target.parent)
            temporary = target.with_name(TEMPORARY + os.urandom(8).hex())
            descriptor = self._create(temporary, mode)
            try:
                with open(descriptor, "wb") as stream:
                    if isinstance(data, Path):
                        with open(data, "rb") as source:
                            shutil.copyfileobj(source, stream, 1 << 20)
                    else:
                        stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                temporary.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open an object; one that is replaced meanwhile is read as it was."""
        with self._in_words("read"):
            path = self._inside(key)
            try:
                stream = _open_plain(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise NotFoundError(f"The store {self.root} has no {key}.") from None
        with stream:
            yield stream

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose key begins with `prefix`; what is no key of ours is passed over."""
        folder, slash, start = check_prefix(prefix).rpartition("/")
        with self._in_words("read"):
            top = self._inside(folder) if folder else self.root
        yield from self._walk(top, folder + slash, start)

    def delete(self, prefix: str) -> None:
        """Delete the object or folder `prefix`, and the folders above that are empty then."""
        with self._in_words("written"):
            path = self._inside(prefix)
            _remove(path)
            for parent in path.parents:
                if parent == self.root or not _remove_empty(parent):
                    return

    def _walk(self, folder: Path, prefix: str, start: str) -> Iterator[StoredObject]:
        with self._in_words("read"):
            try:
                with os.scandir(folder) as entries:
                    found = [entry for entry in entries if entry.name.startswith(start)]
            except FileNotFoundError:
                return
            except NotADirectoryError:
                if self.root.is_dir():
                    return
                raise
        for entry in found:
            key = prefix + entry.name
            if len(key) > KEY_LENGTH or not is_part(entry.name):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # deleted meanwhile
                continue
            except OSError as error:
                raise self._problem("read", error) from error
            if stat.S_ISDIR(status.st_mode):
                yield from self._walk(folder / entry.name, key + "/", "")
            elif stat.S_ISREG(status.st_mode):
                modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
                yield StoredObject(key, status.st_size, modified)

    def _inside(self, key: str) -> Path:
        """Return the path of a key. Raises StoreError if a symbolic link leads it out of the root."""
        path = self.root / check_key(key)
        real = os.path.realpath(path)
        if os.path.commonpath([real, self.root]) != str(self.root):
            raise StoreError(f"{key} leads out of the store {self.root} through a symbolic link.")
        return path

    def _make_root(self) -> int:
        """Return the rights of the root folder, made on first use."""
        with contextlib.suppress(FileExistsError):
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700)
        return stat.S_IMODE(self.root.stat().st_mode) & 0o2777

    def _create(self, path: Path, mode: int) -> int:
        """Make a file and the folders above it, against another process that deletes empty folders."""
        end = time.monotonic() + RACE_SECONDS
        while True:
            self._make_folder(path.parent, mode)
            try:
                descriptor = os.open(
                    path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
                )
            except FileNotFoundError:
                if time.monotonic() > end:
                    break
                time.sleep(random.uniform(0, 0.002))  # out of step with whoever deletes
                continue
            path.chmod(mode & 0o666)
            return descriptor
        raise StoreError(f"The folder {path.parent} vanishes as often as it is made.")

    def _make_folder(self, folder: Path, mode: int) -> None:
        if folder == self.root or folder.is_dir():
            return
        self._make_folder(folder.parent, mode)
        try:
            folder.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:  # its parent is gone again; the caller starts over
            return
        with contextlib.suppress(FileNotFoundError):
            folder.chmod(mode)

    @contextlib.contextmanager
    def _in_words(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._problem(done, error) from error

    def _problem(self, done: str, error: OSError) -> StoreError:
        reason = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename else ""
        return StoreError(f"The store {self.root} cannot be {done}: {reason}{where}.")


def _sweep(folder: Path) -> None:
    """Delete what killed writers left in a folder: a raw file may be large."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY) and entry.stat().st_mtime < time.time() - STALE_SECONDS:
                os.unlink(entry.path)


def _remove(path: Path) -> None:
    """Delete a file or a folder, though others add to it or delete in it."""
    for _ in range(10):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.lexists(path):
                return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        else:
            return
    raise StoreError(f"{path} could not be deleted: another process writes to it.")


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _open_plain(path: Path) -> BinaryIO:
    """Open a plain file; whoever put a FIFO or a device into the store makes no reader hang."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(str(path))
    return os.fdopen(descriptor, "rb")
