"""Measure `profilerkit list` on a store of many recordings, with a cold and with a warm catalog.

    python benchmarks/list_cost.py [--recordings 10000] [--runs 11]

It publishes the recordings into a local store: three tenths of them within the last 48 hours, first running,
then final, the others over the month before. (Their events are moved into the hours in which they would
have been written.) Wall time is that of the whole command, Python's start included; `cold` is the first
run, which makes the catalog.

Bar: 1 s for the median of the warm runs. Exit code 1 when it is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

from attrs import evolve

from profilerkit.archive import Archive
from profilerkit.ids import uuid7
from profilerkit.journal import event_key
from profilerkit.localstore import LocalStore
from profilerkit.model import (
    Capture,
    CaptureFile,
    Event,
    EventKind,
    Evidence,
    Outcome,
    Placement,
    Recording,
    Status,
    Subject,
)

WARM_BAR_SECONDS = 1.0
RECENT_SHARE = 0.3
HOURS = 30 * 24
WRITERS = 16


def main() -> int:
    """Print a table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=11)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        # As when installed: modules are compiled once, in a run that is not counted.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ.update(
            PROFILERKIT_STORE=f"{folder}/store",
            PROFILERKIT_SPOOL=f"{folder}/spool",
            PROFILERKIT_CATALOG=f"{folder}/catalogs",
        )
        run(["--limit", "1"])
        publish(folder / "store", given.recordings)
        cold = run([])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        warm = sorted(run([]) for _ in range(given.runs))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        filtered = sorted(run(["--name", "etl-7*", "--status", "complete"]) for _ in range(given.runs))
        size = sum(each.stat().st_size for each in (folder / "catalogs").iterdir())
        count = len(json.loads(output(["--json", "--limit", "1000000"])))
    median = statistics.median(warm)
    print(f"{count} recordings, {given.runs} runs        seconds")
    print(f"cold                           {cold:7.2f}")
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / given.runs
    spread = f"({warm[0]:.2f} to {warm[-1]:.2f})"
    print(f"warm, median                   {median:7.2f}  {spread}, bar {WARM_BAR_SECONDS}")
    print(f"warm, CPU                      {cpu:7.2f}")
    print(f"warm with filters, median      {statistics.median(filtered):7.2f}")
    print(f"the catalog: {size / (1 << 20):.1f} MiB")
    return int(median > WARM_BAR_SECONDS or count != given.recordings)


def publish(store: Path, recordings: int) -> None:
    """Fill a store with recordings of a month; several at once, since each waits for the disk."""
    archive = Archive(LocalStore(store))
    now = datetime.now(timezone.utc)

    def publish_one(number: int) -> None:
        recent = number >= recordings * (1 - RECENT_SHARE)
        when = now - timedelta(hours=number % 47 if recent else 48 + number % HOURS)
        recording = a_recording(number, when)
        if recent:
            put_back(store, archive.publish(recording, EventKind.RUNNING), when)
        final = evolve(recording, status=Status.COMPLETE, outcome=Outcome.SUCCESS, revision=2)
        put_back(store, archive.publish(final, EventKind.FINAL), when)

    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(publish_one, range(recordings)):
            pass


def put_back(store: Path, event: Event, when: datetime) -> None:
    """Move an event into the hour of its recording."""
    target = store / event_key(evolve(event, written_at=when))
    target.parent.mkdir(exist_ok=True)
    (store / event_key(event)).rename(target)


def a_recording(number: int, started_at: datetime) -> Recording:
    """Return a running recording as real ones are."""
    captures = tuple(
        Capture(
            name,
            Status.COMPLETE,
            Placement.OUTSIDE if name == "resources" else Placement.INSIDE,
            f"profilerkit_{name}.profiler:Profiler",
            {"interval_seconds": 0.5, "native": False},
            {"profilerkit": "0.1.0", name: "1.20.0"},
            (CaptureFile(f"{name}.bin", 123_456, 23_456),),
            contents=("stacks", "timelines"),
        )
        for name in ("resources", "cpu", "memray")
    )
    return Recording(
        uuid7(),
        Subject("script", {"name": f"etl-{number % 200}"}),
        Status.RUNNING,
        None,
        started_at,
        started_at + timedelta(seconds=90),
        started_at + timedelta(seconds=90),
        captures,
        {"peak_rss_bytes": 1e8 + number, "peak_heap_bytes": 5e7, "cpu_seconds": 80.0, "allocations": 1e6},
        {"team": "data", "env": "prod"},
        evidence=(Evidence("exit", "exit status 0", {"exit_status": 0}),),
    )


def run(arguments: list[str]) -> float:
    """Run the command and return the seconds that it took."""
    began = time.perf_counter()
    output(arguments)
    return time.perf_counter() - began


def output(arguments: list[str]) -> str:
    """Return what the command prints."""
    command = [sys.executable, "-m", "profilerkit", "list", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
