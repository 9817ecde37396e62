"""See a spool shipped: say that something is due, and start ship unless one is at work.

Standard library only, for the watcher; ship itself, with everything that a store needs, is another
process that ends when nothing is due.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profilerkit import spool

RETRY_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 60.0
LOOK_SECONDS = 3600.0
RETENTION = ("retention_days", "retention_days_resources")
"""Settings by which ship has the store pruned when it is done; without them it does not."""


class Shipper:
    """Have one spool shipped, in turn with all others of this host, user and store."""

    def __init__(self, hello: Mapping[str, Any]) -> None:
        self._spool = Path(hello["spool"])
        self._store = hello["store"]
        self._python: str = hello["python"]
        self._sys_path = hello["sys_path"]
        settings = hello.get("settings", {})
        self._retention = {name: settings[name] for name in RETENTION if name in settings}
        self._sequence = 0
        self._final = False
        self._ship: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._not_before = 0.0

    def request(self, *, final: bool) -> None:
        """Mark the spool as due. Only the newest mark counts."""
        self._sequence += 1
        self._final = final
        with contextlib.suppress(OSError):
            due = {"sequence": self._sequence, "final": final}
            spool.write_json(self._spool / spool.DUE, due, last=final)

    def poll(self) -> bool:
        """Start ship when something is due and nobody ships; tell whether nothing is due any more."""
        if self._ship is not None:
            failed = self._ship.poll()
            if failed is None:
                return False
            self._ship = None
            self._failures = self._failures + 1 if failed else 0
            if failed:
                backoff = min(LONGEST_BACKOFF_SECONDS, 2.0 ** min(self._failures, 10))
                self._not_before = time.monotonic() + backoff
        if self._final and self._spool.exists() and spool.is_due(self._spool) is None:
            self.request(final=True)  # nobody may forget the last one
        if not self._spool.exists() or (not self._final and spool.is_due(self._spool) is None):
            return True
        if time.monotonic() >= self._not_before:
            self._try_to_start()
        return False

    def finish(self, patience_seconds: float) -> bool:
        """Wait until the spool is shipped; give up after `patience_seconds` and leave it to recovery."""
        end = time.monotonic() + patience_seconds
        self._not_before = 0.0
        while not self.poll():
            if time.monotonic() > end and self._ship is None:
                return False
            if self._ship is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._ship.wait(RETRY_SECONDS)
            else:
                time.sleep(RETRY_SECONDS)
        return True

    def _try_to_start(self) -> None:
        root = self._spool.parent
        descriptor = spool.lock(spool.ship_lock(root, self._store["fingerprint"]))
        if descriptor is not None:
            try:
                self._ship = start_ship(
                    self._python, root, self._store, self._sys_path, descriptor, self._retention
                )
            finally:
                os.close(descriptor)


def start_ship(
    python: str,
    root: Path,
    store: Mapping[str, Any],
    sys_path: list[str],
    lock: int,
    retention: Mapping[str, float],
) -> subprocess.Popen[bytes]:
    """Start ship on a spool folder and hand it the lock. The store's secrets go through its stdin."""
    command = [python, str(Path(__file__).with_name("ship.py")), str(lock)]
    ship = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(lock,), cwd="/", env=environment())
    assert ship.stdin is not None
    with contextlib.suppress(OSError):  # it died at once: its exit status tells
        question = {"root": str(root), "store": store, "sys_path": sys_path, "retention": retention}
        ship.stdin.write(json.dumps(question).encode())
        ship.stdin.close()
    return ship


def start_maintenance(question: Mapping[str, Any]) -> None:
    """Have the store pruned and compacted if that is due; at most once an hour somebody here looks.

    Nobody waits for it. Its log, which is also the note of when it was, lies beside the spools.
    """
    log = Path(question["root"]) / f".ship-{question['store']['fingerprint']}.log"
    with contextlib.suppress(OSError):
        if abs(time.time() - log.stat().st_mtime) < LOOK_SECONDS:
            return
    with contextlib.suppress(OSError), open(log, "wb") as words:
        os.utime(log)
        helper = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("maintenance.py"))],
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=words,
            cwd="/",
            start_new_session=True,
        )
        assert helper.stdin is not None
        helper.stdin.write(json.dumps(question).encode())
        helper.stdin.close()


def environment() -> dict[str, str]:
    """Return our environment without what makes Python programs measure, trace or print more."""
    unwanted = (
        "COVERAGE_",
        "PYTHONPROFILE",
        "PYTHONTRACEMALLOC",
        "PYTHONWARNINGS",
        "PYTHONINSPECT",
        "PYTHONDEVMODE",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def ship_and_wait(plan: Mapping[str, Any], timeout: float) -> None:
    """Ship an ended recording from its own process, where there is no watcher.

    The store is not pruned from here: what would do that outlives ship, and becomes the program's child.
    """
    spool_folder = str(Path(plan["spool"]) / plan["id"])
    hello = {**plan, "spool": spool_folder, "python": sys.executable, "settings": {}}
    shipper = Shipper(hello)
    shipper.request(final=True)
    shipper.finish(timeout)
