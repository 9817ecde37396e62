"""Check what a real recording leaves in the store: compressed captures, and nothing that nobody asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab import Lab, opened
from tests.store import by_the_docs

PROGRAM = """
import time
def busy():
    end = time.process_time() + 0.5
    while time.process_time() < end:
        sum(range(1000))
def allocate():
    return [bytearray(1000) for _ in range(50_000)]
kept = allocate()
busy()
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Record one program with the three profilers that `run` takes by default."""
    with opened(tmp_path_factory.mktemp("contents")) as lab:
        assert lab.start("--name", "etl", str(lab.script(PROGRAM))).wait(120) == 0
        lab.wait_shipped()
        yield lab


def test_captures_are_compressed(lab: Lab) -> None:
    """Every raw file is zstd, as large as the recording says, and belongs to a capture that lists it."""
    (event,) = by_the_docs.recordings(lab.store)
    recording = by_the_docs.recording_of(lab.store, event)
    stored = set()
    for capture in recording["captures"]:
        assert (capture["status"], capture["error"]) == ("complete", None)
        contents = by_the_docs.raw_files(lab.store, event, capture["profiler"])
        for file in capture["files"]:
            path = lab.store / event["key"] / capture["profiler"] / "raw" / by_the_docs.raw_path(file["path"])
            assert path.read_bytes().startswith(b"\x28\xb5\x2f\xfd")
            assert (len(contents[file["path"]]), path.stat().st_size) == (
                file["size_bytes"],
                file["stored_bytes"],
            )
            stored.add(path)
    assert {each["profiler"] for each in recording["captures"]} == {"memray", "cpu", "resources"}
    assert stored == {path for path in (lab.store / event["key"]).glob("*/raw/**/*") if path.is_file()}


def test_nothing_is_rendered_before_somebody_asks(lab: Lab) -> None:
    """The store has recordings, raw files, readings and events: no report, no page."""
    files = [path for path in lab.store.rglob("*") if path.is_file()]
    relative = [path.relative_to(lab.store).as_posix() for path in files]
    kinds = ("/recording.json", ".json.gz", ".zst", "-running.json", "-final.json", "maintenance.json")
    assert [name for name in relative if not name.endswith(kinds)] == []
    assert [name for name in relative if "/reports/" in name] == []
    assert [path for path in files if b"<html" in path.read_bytes().lower()] == []


def test_readings_tell_the_functions(lab: Lab) -> None:
    """What is in the store is enough, without profilerkit, to see who allocated and who was busy."""
    (event,) = by_the_docs.recordings(lab.store)
    (memory,) = by_the_docs.readings(lab.store, event, "memray")
    (time,) = by_the_docs.readings(lab.store, event, "cpu")
    assert by_the_docs.totals(memory)["allocate"] > 40_000_000
    assert by_the_docs.totals(time)["busy"] > 0.1


def test_a_finished_recording_keeps_one_version_of_everything(lab: Lab) -> None:
    """No reading of an earlier revision is left, and all JSON is JSON in the strict sense."""
    for path in lab.store.rglob("*.json"):
        json.loads(path.read_bytes(), parse_constant=pytest.fail)
    (event,) = by_the_docs.recordings(lab.store)
    for profiler in ("memray", "cpu", "resources"):
        assert len(by_the_docs.readings(lab.store, event, profiler)) == 1
