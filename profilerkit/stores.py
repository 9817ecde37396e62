"""Open a store by its URL; the only module that knows fsspec, which it imports when a store needs it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from attrs import define, field

from profilerkit.errors import NotFoundError, ProfilerKitError, StoreError, UsageError
from profilerkit.interfaces import ResultStore, StoredObject
from profilerkit.keys import TEMPORARY, check_key, check_prefix, is_key
from profilerkit.localstore import LocalStore
from profilerkit.redact import redact_text, secret_values
from profilerkit.storeurl import scheme_of, store_fingerprint, store_label

__all__ = ["FsspecStore", "LocalStore", "open_store", "store_fingerprint", "store_label"]

MIB = 1 << 20
PART_BYTES = 16 * MIB
"""What s3fs keeps in memory of an upload, twice; its own default is 500 MiB."""

S3 = ("s3", "s3a")
EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "abfs": "azure",
    "abfss": "azure",
    "az": "azure",
}
OBJECT_STORES = frozenset((*EXTRAS, "memory"))
"""Schemes where one request puts a whole object; elsewhere a temporary name is renamed."""


def open_store(url: str, storage_options: Mapping[str, Any] | None = None) -> ResultStore:
    """Return the store at a path or URL; `storage_options` are for what fsspec opens.

    A plugin of the group `profilerkit.stores` is chosen by the scheme, else fsspec. Raises UsageError
    or StoreError when there is none for it.
    """
    scheme = scheme_of(url)
    if scheme == "file":
        return LocalStore.from_url(url)
    from profilerkit import plugins

    if scheme not in plugins.names("profilerkit.stores"):
        return FsspecStore(url, dict(storage_options or {}))
    if storage_options:
        raise UsageError(f"The store {store_label(url)} takes no options.")
    plugin: type[ResultStore] = plugins.load("profilerkit.stores", scheme)
    return plugin.from_url(url)


@define
class FsspecStore(ResultStore):
    """A store on anything that fsspec opens; made anew in a forked child, where async ones refuse."""

    concurrency: ClassVar[int] = 16

    url: str = field(repr=store_label)
    options: dict[str, Any] = field(factory=dict, repr=False)
    scheme: str = field(init=False)
    label: str = field(init=False)
    ephemeral: bool = field(init=False)
    _opened: tuple[int, Any, str] | None = field(default=None, init=False, repr=False)
    _lock: Any = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.scheme = scheme_of(self.url)
        self.label = store_label(self.url)
        self.ephemeral = self.scheme == "memory"

    @classmethod
    def from_url(cls, url: str) -> FsspecStore:
        """Return the store at a URL that fsspec knows."""
        return cls(url)

    def put(self, key: str, data: Path | bytes) -> None:
        """Store a file or bytes: one PUT (or multipart upload) to objects, else a renamed file."""
        check_key(key)
        with self._in_words("written"):
            system, root = self._open()
            target = f"{root}/{key}"
            if self.scheme in OBJECT_STORES:
                self._upload(system, data, target)
                return
            folder = target.rpartition("/")[0]
            temporary = f"{folder}/{TEMPORARY}{os.urandom(8).hex()}"
            system.makedirs(folder, exist_ok=True)
            try:
                self._upload(system, data, temporary)
                # fsspec's local one has had its rename under either name; `mv` may be a copy.
                getattr(system, "mv_file", system.mv)(temporary, target)
            except BaseException:
                with contextlib.suppress(Exception):
                    system.rm_file(temporary)
                raise

    def _upload(self, system: Any, data: Path | bytes, target: str) -> None:
        if isinstance(data, bytes):
            system.pipe_file(target, data)
        elif self.scheme == "memory":  # its put_file shows the file while it grows
            system.pipe_file(target, data.read_bytes())
        elif self.scheme in S3:
            system.put_file(str(data), target, chunksize=PART_BYTES)
        else:
            system.put_file(str(data), target)

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open a copy in a temporary folder, got with one request: ranges could mix two versions."""
        check_key(key)
        with tempfile.TemporaryDirectory(prefix="profilerkit-") as folder:
            copy = Path(folder) / "object"
            with self._in_words("read"):
                system, root = self._open()
                try:
                    if self.scheme == "memory":  # its readers share one position
                        copy.write_bytes(system.cat_file(f"{root}/{key}"))
                    else:
                        system.get_file(f"{root}/{key}", str(copy))
                except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                    if _names_no_bucket(error):
                        raise
                    raise NotFoundError(f"The store {self.label} has no {key}.") from None
                if not copy.is_file():  # some make nothing of what is a folder there
                    raise NotFoundError(f"The store {self.label} has no {key}.")
            with copy.open("rb") as stream:
                yield stream

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose key begins with `prefix`; what is no key of ours is passed over."""
        folder, _, start = check_prefix(prefix).rpartition("/")
        with self._in_words("read"):
            system, root = self._open()
            found = self._find(system, f"{root}{'/' if folder else ''}{folder}", start)
        for name, info in found.items():
            key = name.removeprefix(f"{root}/").lstrip("/")
            if info.get("type") == "file" and key.startswith(prefix) and is_key(key):
                yield StoredObject(key, int(info.get("size") or 0), _modified(info))

    def _find(self, system: Any, folder: str, start: str) -> dict[str, dict[str, Any]]:
        system.invalidate_cache()
        if self.scheme in EXTRAS:
            found: dict[str, dict[str, Any]] = system.find(folder, prefix=start, detail=True)
            return found
        found = {}
        for entry in _entries(system, folder):
            name = entry["name"].rstrip("/")
            if not name.rpartition("/")[2].startswith(start):
                continue
            found.update(self._find(system, name, "") if entry["type"] == "directory" else {name: entry})
        return found

    def delete(self, prefix: str) -> None:
        """Delete the object or folder `prefix`."""
        check_key(prefix)
        with self._in_words("written"):
            system, root = self._open()
            if self.scheme not in OBJECT_STORES:
                system.invalidate_cache()
                with contextlib.suppress(FileNotFoundError):
                    system.rm(f"{root}/{prefix}", recursive=True)
                return
            doomed = self._under(prefix)
            if doomed:
                system.rm([f"{root}/{key}" for key in sorted(doomed)])
            # s3fs passes over what a bulk delete could not delete.
            if doomed & self._under(prefix):
                raise StoreError(
                    f"The store {self.label} did not delete {prefix}.", "Check what the credentials may do."
                )

    def _under(self, prefix: str) -> set[str]:
        keys = (each.key for each in self.list(prefix))
        return {key for key in keys if key == prefix or key.startswith(f"{prefix}/")}

    def _open(self) -> tuple[Any, str]:
        """Return the filesystem and the path of our root in it, for this process."""
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                if self._opened is not None:
                    _let_go_of_loop()
                self._opened = (os.getpid(), *self._connect())
            return self._opened[1:]

    def _connect(self) -> tuple[Any, str]:
        import fsspec.core

        if self.scheme not in fsspec.available_protocols():
            raise UsageError(f"No store that is installed opens {self.scheme}:// URLs.", "Check the URL.")
        if "filesystem" in self.options:
            return self._made_elsewhere()
        options: dict[str, Any] = {**self.options, "skip_instance_cache": True}
        if self.scheme in EXTRAS:
            options["use_listings_cache"] = False
        if self.scheme in S3:
            # Both it and botocore try five times: a server that never answers would take six minutes.
            options["config_kwargs"] = {"retries": {"max_attempts": 1}, **options.get("config_kwargs", {})}
        system, root = fsspec.core.url_to_fs(self.url, **options)
        if self.scheme in S3:
            # More would read one object with several requests, and keep more parts in memory.
            system.max_concurrency = 1
            system.retries = 3
        return system, root.rstrip("/")

    def _made_elsewhere(self) -> tuple[Any, str]:
        """Have `module:function`, which the option `filesystem` names, make the filesystem.

        It is called with the URL's scheme and the other options; hosts that keep credentials use this.
        """
        options = dict(self.options)
        module, _, function = str(options.pop("filesystem")).partition(":")
        system = getattr(import_module(module), function)(self.scheme, **options)
        return system, str(system._strip_protocol(self.url)).rstrip("/")

    @contextlib.contextmanager
    def _in_words(self, done: str) -> Iterator[None]:
        """Say in one line, without secrets, what fsspec and what it uses raise: it can be anything."""
        try:
            yield
        except ProfilerKitError:
            raise
        except ImportError as error:
            extra = EXTRAS.get(self.scheme)
            mend = f'pip install "profilerkit[{extra}]"' if extra else self._reason(error)
            raise StoreError(f"The store {self.label} needs a package that is not installed:", mend) from None
        except Exception as error:  # noqa: BLE001
            raise StoreError(f"The store {self.label} cannot be {done}: {self._reason(error)}") from None

    def _reason(self, error: Exception) -> str:
        text = redact_text(" ".join(str(error).split()), known=self._secrets())[:400].rstrip(".")
        if isinstance(error, PermissionError):
            return f"{text or 'permission denied'}. Check the credentials and what they may do."
        return f"{text or type(error).__name__}."

    def _secrets(self) -> tuple[str, ...]:
        """Return what no message may show, though it need not look like a secret there."""
        options = {name: each for name, each in self.options.items() if isinstance(each, str)}
        user, at, _ = self.url.partition("://")[2].rpartition("@")
        return (user + at, user.partition(":")[2], *secret_values(options))


def _entries(system: Any, folder: str) -> list[dict[str, Any]]:
    """Return what is in a folder, though files vanish meanwhile: `find` leaves the whole folder out then."""
    for _ in range(100):
        try:
            found: list[dict[str, Any]] = system.ls(folder, detail=True)
        except NotADirectoryError:
            return []
        except FileNotFoundError:
            if not system.exists(folder):
                return []
        else:
            return found
    raise StoreError(f"The folder {folder} changes faster than it can be listed.")


def _let_go_of_loop() -> None:
    """Have fsspec start its loop anew in a forked child, as its later versions do themselves."""
    import fsspec.asyn

    if not hasattr(fsspec.asyn, "reset_after_fork"):
        fsspec.asyn.reset_lock()


def _names_no_bucket(error: BaseException) -> bool:
    response = getattr(error.__cause__, "response", None) or {}
    return bool(response.get("Error", {}).get("Code") == "NoSuchBucket")


def _modified(info: Mapping[str, Any]) -> datetime | None:
    """Return when an object was changed, whatever its filesystem calls that."""
    names = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
    value = next((info[name] for name in names if info.get(name) is not None), None)
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
