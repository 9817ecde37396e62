"""Damaged readings, recordings and events are refused in words, or are valid; none harms another."""

from __future__ import annotations

import gzip
import json
import logging
from collections import Counter
from pathlib import Path

import pytest
import zstandard
from attrs import evolve

from profilerkit.archive import Archive
from profilerkit.codec import (
    event_from_json,
    event_to_json,
    recording_from_json,
    recording_to_json,
)
from profilerkit.errors import FormatError, ProfilerKitError
from profilerkit.keys import capture_key
from profilerkit.model import Event, EventKind
from profilerkit.reading import Frame, FunctionStat, Metric, Reading, Span
from profilerkit.readingjson import reading_to_json
from profilerkit.stacks.fold import hot
from tests.fuzz.mutations import VALUES, damaged
from tests.store.samples import a_reading, a_recording, an_archive

COUNT = 400


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Give an archive with one recording."""
    return an_archive(tmp_path)


def said(error: ProfilerKitError) -> None:
    """Check the words of an error."""
    text = str(error)
    assert text.isprintable()
    assert 0 < len(text) < 700


def a_full_reading() -> Reading:
    """Return a reading that has every part."""
    frame = Frame("f", "a.py", 3, "own")
    return evolve(
        a_reading(),
        functions=(FunctionStat(frame, 1.0, 2.0, 3), FunctionStat(evolve(frame, function="g"), 0.5, 0.5)),
        functions_metric=Metric("cpu", "seconds"),
        spans=(Span("a", "b", 0.0, 1.0),),
    )


def test_damaged_readings(archive: Archive) -> None:
    """In the packed bytes, and in what they hold: refused, or a reading that every report can use."""
    event = archive.publish(a_recording(), EventKind.FINAL)
    plain = json.dumps(reading_to_json(a_full_reading())).encode()
    key = capture_key(event.key, "memray", "readings", "x.json.gz")
    outcomes = Counter[str]()
    for number in range(COUNT):
        packed = (
            damaged(gzip.compress(plain), number)
            if number % 4 == 0
            else gzip.compress(damaged(plain, number), 1)
        )
        archive.store.put(key, packed)
        try:
            reading = archive.get_reading(event.key, "memray", "x")
        except FormatError as error:
            said(error)
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            json.dumps(reading_to_json(reading), allow_nan=False)
            if reading.stacks is not None:
                reading.stacks.totals()
            if reading.stacks is not None or reading.functions:
                assert all(isinstance(row.self_value, int | float) for row in hot(reading, limit=10))
    assert outcomes["refused"] > COUNT / 4
    assert outcomes["read"] > COUNT / 20


def test_readings_that_would_take_all_memory(archive: Archive) -> None:
    """A few bytes that unpack to a very large document are not parsed."""
    event = archive.publish(a_recording(), EventKind.FINAL)
    key = capture_key(event.key, "memray", "readings", "x.json.gz")
    for text in (b"[" + b"[]," * (20 << 20), b"[" * (5 << 20), b" " * (65 << 20)):
        archive.store.put(key, gzip.compress(text, 1))
        with pytest.raises(FormatError, match="damaged, or too large"):
            archive.get_reading(event.key, "memray", "x")


def test_damaged_recordings(archive: Archive) -> None:
    """A `recording.json` is read, or its event stands in for it with a warning that says why."""
    event = archive.publish(a_recording(), EventKind.FINAL)
    plain = recording_to_json(a_recording(id=event.recording.id))
    outcomes = Counter[str]()
    for number in range(COUNT):
        data = damaged(plain, number)
        archive.store.put(f"{event.key}/recording.json", data)
        try:
            found = archive.load(event)
        except FormatError as error:  # of a newer format
            said(error)
            assert error.mend is not None
            outcomes["newer"] += 1
            continue
        assert found.id == event.recording.id
        if found.warnings[:-1] == event.recording.warnings and "cannot be read" in found.warnings[-1]:
            outcomes["event"] += 1
            assert found.warnings[-1].isprintable()
        else:
            outcomes["read"] += 1
            assert recording_from_json(recording_to_json(found)) == found
    assert outcomes["event"] > COUNT / 4
    assert outcomes["read"] > COUNT / 20


def test_damaged_events(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    """Each is passed over with a word or is a valid event; the sound ones beside them are listed."""
    sound = [archive.publish(a_recording(), EventKind.FINAL) for _ in range(3)]
    ids = {each.recording.id for each in sound}
    caplog.set_level(logging.CRITICAL)
    outcomes = Counter[str]()
    for number in range(COUNT):
        event = Event(f"{number:036x}", EventKind.FINAL, a_recording(), sound[0].key, sound[0].written_at)
        event = evolve(event, key=sound[0].key.replace(sound[0].recording.id, event.recording.id))
        data = damaged(event_to_json(event), number)
        try:
            again = event_from_json(data)
        except FormatError as error:
            said(error)
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            assert event_from_json(event_to_json(again)) == again
        archive.store.put(f"journal/2026-11-14T00/{number:036x}-{event.recording.id}-final.json", data)
    listed = archive.recordings()
    assert ids <= {each.recording.id for each in listed}
    assert len(listed) <= 3 + outcomes["read"]
    assert outcomes["refused"] > COUNT / 4
    for each in listed:
        archive.load(each)


def test_damaged_days(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    """A day of which a part cannot be read harms no other day, and no loose event."""
    sound = archive.publish(a_recording(), EventKind.FINAL)
    lines = b"\n".join(
        event_to_json(Event(f"{number:036x}", EventKind.FINAL, recording, key, sound.written_at))
        for number, recording in enumerate(a_recording() for _ in range(20))
        for key in [sound.key.replace(sound.recording.id, recording.id)]
    )
    caplog.set_level(logging.CRITICAL)
    for number in range(COUNT):
        if number % 2:
            data = damaged(zstandard.ZstdCompressor(write_checksum=True).compress(lines), number)
        else:
            data = zstandard.ZstdCompressor().compress(damaged(lines, number))
        archive.store.put("journal/days/2026-11-14.jsonl.zst", data)
        listed = [each.recording.id for each in archive.recordings()]
        assert sound.recording.id in listed
        assert len(listed) <= 3 * 21


@pytest.mark.parametrize(
    "field", ["revision", "checkpoint_interval_seconds", "alive_at", "summary", "captures"]
)
def test_odd_values_in_events_stop_no_list(archive: Archive, field: str) -> None:
    """Whatever a field holds, listing goes on."""
    sound = archive.publish(a_recording(), EventKind.FINAL)
    for number, value in enumerate(VALUES):
        plain = json.loads(event_to_json(sound))
        plain["recording"][field] = value
        plain["event_id"] = f"{number:036x}"
        key = f"journal/2026-11-14T00/{number:036x}-{sound.recording.id}-running.json"
        archive.store.put(key, json.dumps({**plain, "kind": "running"}).encode())
    assert [each.recording.id for each in archive.recordings()] == [sound.recording.id]
    assert len(list(archive.events())) >= 1
