"""What the checkpoints of a long recording upload, an hour of them played in a minute."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from profilerkit.archive import Archive
from profilerkit.localstore import LocalStore
from profilerkit.ship import Ship
from tests.lab import Lab, first_line

HOUR_SECONDS = 3600.0
CHURN = """
import random, sys, time
kept = []
def left(depth):
    return random.choice(ways)(depth - 1) if depth else kept.append(bytearray(random.randrange(600, 900)))
def right(depth):
    return random.choice(ways)(depth - 1) if depth else kept.append(bytearray(random.randrange(600, 900)))
ways = [left, right]
print('ready', flush=True)
for turn in range(600_000):
    left(random.randrange(12))
    if turn % 3 == 0:
        kept[random.randrange(len(kept))] = None
print('done', flush=True)
time.sleep(600)
"""


class CountingStore(LocalStore):
    """A folder that counts what is put."""

    def put(self, key: str, data: Path | bytes) -> None:
        """Store, and note the size."""
        put_bytes.append(len(data) if isinstance(data, bytes) else data.stat().st_size)
        super().put(key, data)


put_bytes: list[int] = []


def checkpoint_times(interval_seconds: float = 60.0) -> Iterator[float]:
    """Yield when the watcher of a recording of an hour asks for checkpoints, in seconds."""
    at = 1.5
    while at < HOUR_SECONDS:
        yield at
        at += min(interval_seconds, max(1.5, at))


@pytest.mark.slow
def test_checkpoints_of_an_hour_upload_at_most_twice_what_it_holds(lab: Lab, tmp_path: Path) -> None:
    """The captures grow in steps through the hour; all checkpoints together stay in the budget."""
    lab.environment["PROFILERKIT_CHECKPOINT_INTERVAL"] = "10000"
    process = lab.start("-q", "-p", "memray", "-p", "cpu", "-p", "resources", lab.script(CHURN).name)
    assert first_line(process) == "ready\n"
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    (spool,) = lab.spools()
    lab.wait_until((spool / "captures" / "cpu" / "cpu.json").exists)
    (watcher,) = lab.watchers()
    for pid in (watcher, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    files = {each: each.read_bytes() for each in spool.glob("captures/*/*") if each.is_file()}
    fingerprint = json.loads((spool / "session.json").read_text())["store"]["fingerprint"]
    ship = Ship(lab.spool, Archive(CountingStore(tmp_path / "counted")), fingerprint)
    times = list(checkpoint_times())
    assert len(times) > 60
    for at in times:
        for path, content in files.items():
            if path.name in ("memray.bin", "resources.jsonl"):
                path.write_bytes(content[: int(len(content) * at / HOUR_SECONDS)])
        ship.ship(spool, final=False)
    checkpoints_bytes = sum(put_bytes)
    put_bytes.clear()
    for path, content in files.items():
        path.write_bytes(content)
    ship.ship(spool, final=True)
    final_bytes = sum(put_bytes)
    assert final_bytes > 4 << 20
    assert checkpoints_bytes <= 2 * final_bytes
