"""Tell which profilers of a recording have used up the room on disk that they may have.

Standard library only, for the watcher.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from profilerkit import spool

WHOLE_SPOOL_SECONDS = 10.0
"""How often all spools together are measured: after days without a store there may be many."""


class Quotas:
    """The limits `max_capture_bytes`, `max_spool_bytes` and `min_free_disk` of one recording."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._most_bytes = int(settings["max_capture_bytes"])
        self._most_spool_bytes = int(settings["max_spool_bytes"])
        self._least_free_bytes = int(settings["min_free_disk"])
        self._spool_bytes = 0
        self._measure_at = time.monotonic()

    def exceeded(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield each of these profilers that has to stop, with the reason in words."""
        for_all = self._for_all()
        for name in names:
            if for_all is not None:
                yield name, for_all
            elif spool.captured_bytes(spool.capture_folder(self._folder, name)) > self._most_bytes:
                yield name, f"its capture reached max_capture_bytes ({self._most_bytes} bytes)"

    def _for_all(self) -> str | None:
        free = free_bytes(self._folder)
        if free is not None and free < self._least_free_bytes:
            return f"the disk of the spool has {free} bytes free, under min_free_disk"
        if time.monotonic() >= self._measure_at:
            self._spool_bytes = spool.captured_bytes(self._folder.parent)
            self._measure_at = time.monotonic() + WHOLE_SPOOL_SECONDS
        if self._spool_bytes > self._most_spool_bytes:
            return (
                f"the spool holds {self._spool_bytes} bytes that are not uploaded yet, over max_spool_bytes"
            )
        return None


def free_bytes(folder: Path) -> int | None:
    """Return what the disk of a folder has free for this user, None when it cannot be asked."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
