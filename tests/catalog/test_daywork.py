"""Check that compacted days are read the same by processes of their own, whatever becomes of these."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest
import zstandard
from attrs import evolve

from profilerkit.archive import Archive
from profilerkit.catalog import daywork, sync
from profilerkit.catalog.catalog import Catalog
from profilerkit.catalog.daywork import DayWork
from profilerkit.codec import event_to_json
from profilerkit.localstore import LocalStore
from profilerkit.model import Event, EventKind, Status
from tests.catalog.strategies import an_event
from tests.store.samples import a_recording

DAMAGED = b'{"event_id": 1}\n'
PER_DAY = 1200


@pytest.fixture
def days(tmp_path: Path) -> Archive:
    """Return a store with days of many events, of which the last takes one back and adds to another."""
    archive = Archive(LocalStore(tmp_path.resolve() / "store"))
    events = [an_event(a_recording(), EventKind.FINAL) for _ in range(2 * PER_DAY)]
    later = [
        an_event(events[0].recording, EventKind.DELETED, 9),
        an_event(events[1].recording, EventKind.FINAL, 9),
    ]
    put(archive, "2026-10-01", events[:PER_DAY])
    put(archive, "2026-10-02", events[PER_DAY:])
    put(archive, "2026-10-03", later, more=7 * DAMAGED)
    return archive


def put(archive: Archive, day: str, events: list[Event], more: bytes = b"") -> None:
    """Store a compacted day."""
    lines = b"".join(event_to_json(each) + b"\n" for each in events)
    archive.store.put(f"journal/days/{day}.jsonl.zst", zstandard.ZstdCompressor().compress(lines + more))


def a_catalog(archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Return a catalog that hands days to other processes however few they are."""
    monkeypatch.setattr(sync, "MUCH_BYTES", 0)
    return Catalog.at(folder.resolve() / "catalogs", archive, "0123456789abcdef")


def test_other_processes_read_days_as_we_do(
    days: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What counts, what was deleted, and what is told of damaged lines."""
    running = evolve(a_recording(), status=Status.RUNNING, outcome=None)
    days.publish(running, EventKind.RUNNING)
    catalog = a_catalog(days, tmp_path, monkeypatch)
    with caplog.at_level(logging.WARNING, "profilerkit.archive"):
        catalog.sync()
    told = [each.getMessage() for each in caplog.records]
    assert len([each for each in told if "2026-10-03" in each and "It is damaged" in each]) == 5
    assert told[-1] == "2 more events are passed over."
    assert len(catalog.select()) == 2 * PER_DAY
    assert catalog.select() == days.recordings()


def test_days_are_done_by_the_processes(days: Archive) -> None:
    """Each with all that is in it."""
    keys = [each.key for each in days.journal.days()]
    found = dict.fromkeys(keys, 0)
    done = []
    for key, batch in DayWork(days.store, [*keys, "journal/days/gone.jsonl.zst"], b"sample").run():
        if batch is None:
            done.append(key)
        else:
            found[key] += len(batch.entries) + len(batch.problems)
    assert sorted(done) == sorted(keys)
    assert sorted(found.values()) == [9, PER_DAY, PER_DAY]


@pytest.mark.parametrize(
    "program",
    [
        "exit 0",
        'echo "what is not an answer"; cat > /dev/null',
        '"$PYTHON" "$@" | (head -c 50000; kill $$)',
        "sleep 1000",
        None,
    ],
    ids=["ends at once", "talks nonsense", "ends in the middle", "hangs", "is not there"],
)
def test_what_a_process_does_not_do_is_done_here(
    days: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    """Nothing is lost where it cannot be started, or fails."""
    path = tmp_path / "python"
    if program is not None:
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o755)
    monkeypatch.setattr(daywork, "PATIENCE_SECONDS", 3.0)
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setattr(sys, "executable", os.fspath(path))
    catalog = a_catalog(days, tmp_path, monkeypatch)
    catalog.sync()
    assert catalog.select() == days.recordings()
