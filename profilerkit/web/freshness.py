"""Keep the catalog fresh while somebody looks, without making them wait for a slow store."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta, timezone

from attrs import define, field

from profilerkit.catalog.catalog import Catalog
from profilerkit.errors import ProfilerKitError

FRESH_SECONDS = 1.0
"""A catalog this young is not looked after again."""
OLD_SECONDS = 5.0
"""One that is older is waited for a moment: somebody comes back after a while."""
PATIENCE_SECONDS = 1.5
FIRST_PATIENCE_SECONDS = 60.0
SHARE = 0.25
"""Of the time at most that syncs take, however slow the store is."""

log = logging.getLogger("profilerkit.web")


@define
class Freshness:
    """The age of a catalog, and a thread that renews it when it is asked for."""

    catalog: Catalog
    problem: ProfilerKitError | None = field(default=None, init=False)
    """Why the last sync failed; what is shown is as it was at `synced_at`."""
    synced_at: datetime | None = field(default=None, init=False)
    _synced: float | None = field(default=None, init=False)
    _tried: float | None = field(default=None, init=False)
    _took: float = field(default=0.0, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def refresh(self) -> None:
        """Have the catalog renewed if it is not fresh, and wait a moment if it is old."""
        now = time.monotonic()
        pause = max(FRESH_SECONDS, self._took / SHARE)
        if self._tried is not None and now - self._tried < pause:
            return
        thread = self._start()
        if self._synced is None:
            thread.join(FIRST_PATIENCE_SECONDS)
        elif now - self._synced > OLD_SECONDS:
            thread.join(PATIENCE_SECONDS)

    def _start(self) -> threading.Thread:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._sync, name="profilerkit-sync", daemon=True)
                self._thread.start()
            return self._thread

    def _sync(self) -> None:
        began = time.monotonic()
        try:
            self.catalog.sync()
        except ProfilerKitError as error:
            self.problem = error
        except Exception as error:
            log.exception("The catalog could not be renewed.")
            self.problem = ProfilerKitError(f"The catalog could not be renewed ({type(error).__name__}).")
        else:
            self.problem = None
            self._synced = began
            self._took = time.monotonic() - began
            self.synced_at = datetime.now(timezone.utc) - timedelta(seconds=self._took)
        self._tried = began
