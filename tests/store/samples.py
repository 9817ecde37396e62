"""Make recordings and archives for the tests of the store."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from profilerkit.archive import Archive
from profilerkit.ids import uuid7
from profilerkit.localstore import LocalStore
from profilerkit.model import (
    Capture,
    CaptureFile,
    Evidence,
    Outcome,
    Placement,
    ProcessIdentity,
    Recording,
    Status,
    Subject,
)
from profilerkit.reading import Metric, Reading, StackBuilder, Timeline

START = datetime(2026, 11, 14, 23, 59, 59, 123456, tzinfo=timezone.utc)
ODD = "../x/%2e\0\n😀\ud800<script>" + "x" * 300


def a_recording(**changes: Any) -> Recording:
    """Return a recording with something in every field."""
    fields: dict[str, Any] = {
        "id": uuid7(),
        "subject": Subject("task", {"dag_id": "etl", "run_id": ODD, "map_index": ""}),
        "status": Status.PARTIAL,
        "outcome": Outcome.KILLED,
        "started_at": START,
        "ended_at": START + timedelta(seconds=90),
        "alive_at": START + timedelta(seconds=60),
        "captures": (
            Capture(
                "memray",
                Status.COMPLETE,
                Placement.INSIDE,
                "profilerkit_memray.profiler:MemrayProfiler",
                {"native": False, "nested": {"list": [1, None, "a"]}},
                {"memray": "1.20.0"},
                (CaptureFile("memray.bin", 1000, 100), CaptureFile(f"sub/{ODD[9:60]}", 10)),
                None,
                ("stacks", "timelines"),
            ),
            Capture("cpu", Status.SKIPPED, error="sys.setprofile is used by coverage", portable=False),
        ),
        "summary": {"peak_rss_bytes": 123456789.0, "cpu_seconds": 0.5, "unknown": None},
        "labels": {"team": "data", ODD: ODD},
        "parent_id": uuid7(),
        "evidence": (Evidence("signal", "SIGKILL; container oom_kill rose by 1", {"signal": 9}),),
        "warnings": ("the second profiler was skipped",),
        "environment": {"python": "3.11.7", "argv": ["etl.py", "--token", "***"]},
        "roots": {"own": "/srv/app", "site-packages": "/usr/lib/python3"},
        "process": ProcessIdentity(4711, 123456, "boot", "pid:[4026531836]", 140722),
        "checkpoint_interval_seconds": 30.0,
        "revision": 3,
    }
    return Recording(**{**fields, **changes})


def a_reading() -> Reading:
    """Return a reading with stacks and a timeline."""
    builder = StackBuilder((Metric("allocated", "bytes"),), {"own": "/srv/app"})
    builder.add([("main", "/srv/app/etl.py", 3), ("load", "/srv/app/etl.py", 9)], [100.0])
    builder.add([("main", "/srv/app/etl.py", 3)], [1.0])
    return Reading(
        summary={"peak_heap_bytes": 101.0, "allocations": None},
        timelines=(Timeline("heap", "bytes", [0.0, 0.5], [0.0, 101.0]),),
        stacks=builder.build(),
        notes=("cut",),
    )


def an_archive(folder: Path) -> Archive:
    """Return an archive in a new local store."""
    return Archive(LocalStore(folder.resolve() / "store"))
