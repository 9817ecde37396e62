"""A store on a folder that fails in the ways that the file `<folder>.fault` asks for, as JSON.

{"dies_at": 3}      the process is killed by SIGKILL as it begins its third operation
{"tears_at": 3}     the same, after half of what it puts has been written under its name
{"fails": "down"}   every operation fails
{"fails": "often"}  one of three operations fails
{"slow": 0.3}       every operation takes so many seconds
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from profilerkit.errors import StoreError
from profilerkit.interfaces import ResultStore, StoredObject
from profilerkit.localstore import LocalStore


class FaultyStore(ResultStore):
    """A folder, and what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inner = LocalStore.from_url(str(folder))
        self._operations = 0

    @classmethod
    def from_url(cls, url: str) -> FaultyStore:
        return cls(Path(url.partition("://")[2]))

    def put(self, key: str, data: Path | bytes) -> None:
        fault = self._meet()
        if fault.get("tears_at") == self._operations:
            content = data if isinstance(data, bytes) else data.read_bytes()
            self._inner.put(key, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        self._inner.put(key, data)

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        self._meet()
        return self._inner.open(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._meet()
        return self._inner.list(prefix)

    def delete(self, prefix: str) -> None:
        self._meet()
        self._inner.delete(prefix)

    def _meet(self) -> dict[str, Any]:
        self._operations += 1
        try:
            fault: dict[str, Any] = json.loads(Path(f"{self._folder}.fault").read_text())
        except FileNotFoundError:
            return {}
        time.sleep(fault.get("slow", 0))
        if fault.get("dies_at") == self._operations:
            os.kill(os.getpid(), signal.SIGKILL)
        fails = fault.get("fails")
        if fails == "down" or (fails == "often" and self._operations % 3 == 2):
            raise StoreError("The store is not there at the moment.")
        return fault
