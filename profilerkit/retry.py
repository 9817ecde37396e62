"""Try again what a store has failed to do that has done something before: it flaps, and is not down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, TypeVar

from attrs import define

from profilerkit.errors import NotFoundError, StoreError
from profilerkit.interfaces import ResultStore, StoredObject

T = TypeVar("T")

PAUSES_SECONDS = (0.2, 1.0, 3.0)


@define
class RetryingStore(ResultStore):
    """Another store, whose every call is made up to four times once one has succeeded."""

    store: ResultStore
    _has_worked: bool = False

    @classmethod
    def from_url(cls, url: str) -> ResultStore:
        """Return the store at `url`, made to try again."""
        from profilerkit.stores import open_store

        return cls(open_store(url))

    def put(self, key: str, data: Path | bytes) -> None:
        """Store a file or bytes."""
        self._again(lambda: self.store.put(key, data))

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open an object; what fails while it is read is not tried again."""
        return self.store.open(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects under a prefix."""
        yield from self._again(lambda: [*self.store.list(prefix)])

    def delete(self, prefix: str) -> None:
        """Delete what is under a prefix."""
        self._again(lambda: self.store.delete(prefix))

    def _again(self, work: Callable[[], T]) -> T:
        for pause in (*PAUSES_SECONDS, None):
            try:
                done = work()
            except NotFoundError:
                raise
            except StoreError:
                if pause is None or not self._has_worked:
                    raise
                time.sleep(pause)
            else:
                self._has_worked = True
                return done
        raise AssertionError("the last try has returned or raised")
