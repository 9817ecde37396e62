"""Check the archive: what is stored can be found, loaded, fetched and deleted, whatever happened to it."""

from __future__ import annotations

import gzip
import json
import logging
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from attrs import evolve

from profilerkit.archive import Archive, effective_status, report_name
from profilerkit.codec import event_to_json
from profilerkit.errors import CaptureError, FormatError, LimitError, NotFoundError, UsageError
from profilerkit.ids import uuid7
from profilerkit.journal import Journal, merge
from profilerkit.keys import recording_key
from profilerkit.model import Capture, CaptureFile, Event, EventKind, Evidence, Outcome, Recording, Status
from profilerkit.rawfiles import compress, decompress
from profilerkit.stores import open_store
from tests.store.samples import ODD, START, a_reading, a_recording, an_archive


def test_what_is_published_is_listed_and_loaded(tmp_path: Path) -> None:
    """The list says what the event says; loading gives everything."""
    archive = an_archive(tmp_path)
    recording = a_recording()
    event = archive.publish(recording, EventKind.FINAL)
    assert archive.recordings() == [event]
    assert event.recording == evolve(recording, roots={}, environment={"python": "3.11.7"})
    assert archive.load(event) == recording
    assert list(archive.events()) == [event]


def test_endless_texts_are_whole_in_the_recording_and_short_in_the_list(tmp_path: Path) -> None:
    """What would make an event too large to be read is cut in it, and only there."""
    archive = an_archive(tmp_path)
    long = "x" * 100_000
    capture = Capture("a", Status.FAILED, error=long, files=(CaptureFile("f", 1),) * 20_000)
    recording = evolve(
        a_recording(),
        captures=(capture,),
        evidence=(Evidence("odd", long, {"x": long}),) * 100,
        warnings=tuple(f"{number} {long}" for number in range(200)),
    )
    archive.publish(recording, EventKind.FINAL)
    (event,) = archive.recordings()
    assert len(event_to_json(event)) < 1 << 20
    assert event.recording.captures[0].error == "x" * 1999 + "…"
    assert archive.load(event) == recording


def test_a_recording_is_found_however_much_there_is_of_it(tmp_path: Path) -> None:
    """What alone is short may be too much together: the event tells less, the recording has it whole."""
    archive = an_archive(tmp_path)
    files = tuple(CaptureFile("x" * 1000 + str(number), 1) for number in range(1000))
    for changes in (
        {"summary": {f"{number:020}": 1.0 for number in range(200_000)}},
        {"captures": tuple(Capture(f"p{number}", Status.COMPLETE, files=files) for number in range(5))},
    ):
        recording = a_recording(**changes)
        event = archive.publish(recording, EventKind.FINAL)
        assert archive.find(recording.id) == event
        assert archive.load(event) == recording


@pytest.mark.parametrize(
    "changes",
    [
        {"summary": {"peak_rss_bytes": 10**400}},
        {"labels": {"team": 1}},
        {"subject": evolve(a_recording().subject, names={"name": "x" * (5 << 20)})},
    ],
    ids=["a number", "a label", "a name"],
)
def test_what_nobody_could_read_again_is_not_stored(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Whoever publishes it hears so while the spool is still there."""
    archive = an_archive(tmp_path)
    with pytest.raises(FormatError):
        archive.publish(a_recording(**changes), EventKind.FINAL)
    assert list(archive.store.list("")) == []


def test_nothing_is_outside_the_root_whatever_the_names_are(tmp_path: Path) -> None:
    """Hostile names leave the files in the store's folder and nowhere else."""
    archive = an_archive(tmp_path)
    recording = a_recording(id="../../../x", subject=evolve(a_recording().subject, names={"name": "../../y"}))
    event = archive.publish(recording, EventKind.FINAL)
    assert [each.name for each in tmp_path.iterdir()] == ["store"]
    assert sorted(each.name for each in (tmp_path / "store").iterdir()) == ["journal", "recordings"]
    assert archive.load(event) == recording


def test_the_later_state_wins_in_any_order(tmp_path: Path) -> None:
    """Deleted over final over running, then revision, writing time and event id."""
    recording = a_recording()
    key = recording_key(recording)
    ordered = [
        Event(event_id, kind, evolve(recording, revision=revision), key, START + timedelta(seconds=seconds))
        for kind, revision, seconds, event_id in [
            (EventKind.RUNNING, 1, 9, "f"),
            (EventKind.RUNNING, 2, 1, "a"),
            (EventKind.RUNNING, 2, 2, "a"),
            (EventKind.RUNNING, 2, 2, "b"),
            (EventKind.FINAL, 0, 0, "a"),
            (EventKind.FINAL, 7, 0, "a"),
        ]
    ]
    for position, winner in enumerate(ordered):
        earlier = ordered[: position + 1]
        assert merge(earlier) == merge(earlier[::-1]) == merge(earlier * 2) == [winner]
    deleted = Event("a", EventKind.DELETED, recording, key, START)
    assert merge([deleted, *ordered]) == merge([*ordered, deleted]) == []


def test_the_list_is_newest_first(tmp_path: Path) -> None:
    """By the ids of the recordings, whenever their events were written."""
    archive = an_archive(tmp_path)
    recordings = [a_recording() for _ in range(5)]
    for recording in (recordings[i] for i in (3, 1, 4, 0, 2)):
        archive.publish(recording, EventKind.FINAL)
    assert [event.recording.id for event in archive.recordings()] == [each.id for each in recordings[::-1]]


def test_running_events_are_not_read_once_there_is_a_final_one(tmp_path: Path) -> None:
    """A long recording with many checkpoints costs one read, until its final event cannot be read."""
    archive = an_archive(tmp_path)
    recording = a_recording(status=Status.RUNNING)
    events = [archive.publish(evolve(recording, revision=n), EventKind.RUNNING) for n in range(5)]
    final = archive.publish(evolve(recording, revision=9, status=Status.COMPLETE), EventKind.FINAL)
    paths = sorted((tmp_path / "store/journal").rglob("*-running.json"))
    for path in paths:
        path.write_bytes(b"damaged, and nobody looks")
    assert archive.recordings() == [final]
    paths[3].write_bytes(event_to_json(events[3]))
    (last,) = (tmp_path / "store/journal").rglob("*-final.json")
    last.write_bytes(b'{"format": 2}')
    assert archive.recordings() == [events[3]]


def test_what_cannot_be_read_is_passed_over_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged and newer events are named in the log, at most five of them, and harm no other."""
    archive = an_archive(tmp_path)
    event = archive.publish(a_recording(), EventKind.FINAL)
    archive.store.put("journal/2026-11-14T00/something-else.txt", b"")
    archive.store.put(f"journal/2026-11-14T00/{'0' * 36}-abc-final.json", b'{"format": 2}')
    assert archive.recordings() == [event]
    (told,) = (record.getMessage() for record in caplog.records)
    assert "abc-final.json is passed over. It has format 2; this version reads up to 1. Install" in told
    for number in range(8):
        archive.store.put(f"journal/2026-11-14T00/{'0' * 36}-abc{number}-final.json", b"damaged")
    caplog.clear()
    assert archive.recordings() == [event]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 6
    assert caplog.records[-1].getMessage() == "4 more events are passed over."


def test_a_compacted_day_is_read_like_its_events(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A day holds an event a line; damaged lines are told, repeated ones do no harm."""
    archive = an_archive(tmp_path)
    events = [archive.publish(a_recording(), EventKind.FINAL) for _ in range(4)]
    lines = b"\n".join([*map(event_to_json, events[:3]), b"damaged", b"", event_to_json(events[0])]) + b"\n"
    day = zstandard.ZstdCompressor().compress(lines)
    archive.store.put("journal/days/2026-11-14.jsonl.zst", day)
    for event in events[:2]:
        hour = event.written_at.strftime("%Y-%m-%dT%H")
        archive.store.delete(f"journal/{hour}/{event.event_id}-{event.recording.id}-final.json")
    assert archive.recordings() == events[::-1]
    assert {event.event_id for event in archive.events()} == {event.event_id for event in events}
    archive.store.put("journal/days/2026-11-13.jsonl.zst", day[: len(day) // 2])
    archive.store.put("journal/days/2026-11-12.jsonl.zst", b"not zstd")
    caplog.clear()
    assert archive.recordings() == events[::-1]
    assert "2026-11-12.jsonl.zst is passed over. It is damaged" in caplog.text


def test_an_event_that_is_compacted_while_it_is_read_is_not_lost(tmp_path: Path) -> None:
    """Who listed the loose event and finds it gone looks into the days again."""
    archive = an_archive(tmp_path)
    events = [archive.publish(a_recording(), EventKind.FINAL) for _ in range(2)]
    reader = archive.events()
    first = next(reader)
    day = b"\n".join(map(event_to_json, events))
    archive.store.put("journal/days/2026-11-14.jsonl.zst", zstandard.ZstdCompressor().compress(day))
    for hour in {event.written_at.strftime("%Y-%m-%dT%H") for event in events}:
        archive.store.delete(f"journal/{hour}")
    assert {first.event_id, *(event.event_id for event in reader)} == {event.event_id for event in events}


def test_keys_since_an_hour(tmp_path: Path) -> None:
    """A catalog asks for the last hours only, and gets them whole."""
    archive = an_archive(tmp_path)
    journal = Journal(archive.store)
    recording = a_recording()
    for hours in range(-50, 1):
        written_at = START.replace(minute=30) + timedelta(hours=hours)
        journal.append(Event(uuid7(), EventKind.RUNNING, recording, recording_key(recording), written_at))
    since = START - timedelta(hours=48)
    found = sorted(journal.keys(since))
    assert len(found) == 49
    assert found[0].startswith("journal/2026-11-12T23/")
    assert len(list(journal.keys())) == 51
    assert [key for key, _ in journal.read(found)] == found


def test_many_events_are_read_from_an_object_store(s3_bucket: str) -> None:
    """Several threads read them, none is lost or read twice."""
    archive = Archive(open_store(f"s3://{s3_bucket}/x"))
    events = [archive.publish(a_recording(), EventKind.FINAL) for _ in range(30)]
    assert archive.recordings() == events[::-1]
    assert sorted(event.event_id for event in archive.events()) == [event.event_id for event in events]


def test_a_recording_is_found_by_its_id(tmp_path: Path) -> None:
    """The whole id, a unique beginning in any case and without dashes, or `latest`."""
    archive = an_archive(tmp_path)
    ids = [
        "01a204f0-05da-7b3d-8f29-bb878b2ab830",
        "01a204f0-05da-7b3d-9f29-bb878b2ab830",
        "01a30000-05da-7b3d-8f29-0",
    ]
    for each in ids:
        archive.publish(a_recording(id=each), EventKind.FINAL)
    for reference in (
        ids[0],
        ids[0].upper(),
        ids[0].replace("-", ""),
        "01a204f0-05da-7b3d-8f",
        " 01A204F005DA7B3D8",
    ):
        assert archive.find(reference).recording.id == ids[0]
    assert archive.find("01a3").recording.id == ids[2]
    assert archive.find("latest").recording.id == archive.find("LATEST").recording.id == ids[2]


def test_what_names_no_recording_is_told(tmp_path: Path) -> None:
    """Nothing, too little, or several: each in words that say what to do."""
    archive = an_archive(tmp_path)
    with pytest.raises(NotFoundError, match="There is no recording in the store yet"):
        archive.find("latest")
    ids = [f"01a204f0-05da-7b3d-8f29-bb878b2ab83{n}" for n in range(7)]
    for each in ids:
        archive.publish(a_recording(id=each), EventKind.FINAL)
    with pytest.raises(NotFoundError, match="no recording '0bad' in the store"):
        archive.find("0bad")
    with pytest.raises(NotFoundError, match=r"no recording '\.\./x\\x00'"):
        archive.find("../x\0")
    for short in ("", "01a", "-"):
        with pytest.raises(UsageError, match="at least 4 characters"):
            archive.find(short)
    with pytest.raises(
        UsageError, match=rf"'01a2' names 7 recordings \({ids[6]}, .*, …\)\. Give more of the id\."
    ):
        archive.find("01a2")
    archive.delete(archive.find(ids[0]))
    with pytest.raises(NotFoundError):
        archive.find(ids[0])


def test_an_id_that_begins_another_is_found(tmp_path: Path) -> None:
    """An exact id wins over those that it begins."""
    archive = an_archive(tmp_path)
    for each in ("abcd", "abcdef"):
        archive.publish(a_recording(id=each), EventKind.FINAL)
    assert archive.find("abcd").recording.id == "abcd"


def test_a_lost_recording_is_told_from_its_event(tmp_path: Path) -> None:
    """Without recording.json, or with one that is damaged or another's, there is what the journal says."""
    archive = an_archive(tmp_path)
    event = archive.publish(a_recording(), EventKind.FINAL)
    other = archive.publish(a_recording(), EventKind.FINAL)
    path = tmp_path / "store" / event.key / "recording.json"
    foreign = (tmp_path / "store" / other.key / "recording.json").read_bytes()
    for content, problem in ((b"{", "It is damaged"), (foreign, "It is of another"), (None, "It is gone")):
        path.unlink() if content is None else path.write_bytes(content)
        loaded = archive.load(event)
        assert problem in loaded.warnings[-1]
        assert evolve(loaded, warnings=event.recording.warnings) == event.recording


def test_a_newer_recording_is_refused_in_words(tmp_path: Path) -> None:
    """What a newer version has written is not guessed at."""
    archive = an_archive(tmp_path)
    event = archive.publish(a_recording(), EventKind.FINAL)
    archive.store.put(f"{event.key}/recording.json", b'{"format": 7}')
    with pytest.raises(
        FormatError, match=rf"{event.recording.id} cannot be read\. It has format 7.* Install a newer"
    ):
        archive.load(event)


def test_deleting_removes_the_files_and_stays_deleted(tmp_path: Path) -> None:
    """Nothing is left but the journal, and a state that arrives late changes nothing."""
    archive = an_archive(tmp_path)
    kept = archive.publish(a_recording(), EventKind.FINAL)
    gone = archive.publish(a_recording(), EventKind.FINAL)
    archive.put_reading(gone.key, "memray", "1-1", a_reading())
    archive.delete(gone)
    assert [each.key for each in archive.store.list("recordings/")] == [f"{kept.key}/recording.json"]
    Journal(archive.store).append(evolve(gone, event_id=uuid7()))
    assert archive.recordings() == [kept]
    archive.delete(archive.load(kept))
    assert archive.recordings() == []
    assert list(archive.store.list("recordings/")) == []


def capture(*files: str) -> Capture:
    """Return a capture with these files."""
    return Capture("memray", Status.COMPLETE, files=tuple(CaptureFile(name, 1) for name in files))


@pytest.mark.parametrize("size", [0, 1, 100_000, 9 << 20])
def test_raw_files_come_back(tmp_path: Path, size: int) -> None:
    """Small and large files, in folders and with odd names, are stored compressed and come back."""
    archive = an_archive(tmp_path)
    data = (os.urandom(1000) * (size // 1000 + 1))[:size]
    (tmp_path / "raw").write_bytes(data)
    names = ("memray.bin", "sub/folder/x.%2e", "\n<script>😀", "..." + "y" * 200, os.fsdecode(b"\xff"))
    for name in names:
        stored = archive.put_raw("recordings/x/1", "memray", tmp_path / "raw", name, scratch=tmp_path)
        assert stored < max(100, size // 5)
    archive.fetch_raw("recordings/x/1", capture(*names), tmp_path / "out")
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == data
    assert all(each.key.endswith(".zst") for each in archive.store.list(""))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "raw", "store"]


def test_a_file_that_vanished_is_told_as_such(tmp_path: Path) -> None:
    """The caller can tell it from a store that fails."""
    with pytest.raises(FileNotFoundError):
        an_archive(tmp_path).put_raw("recordings/x/1", "memray", tmp_path / "missing", "x")


@pytest.mark.parametrize("size", [1000, 5 << 20])
def test_a_file_that_changes_while_it_is_read_is_stored(tmp_path: Path, size: int) -> None:
    """Of a growing file its beginning is stored, of one that is cut what is left."""
    archive = an_archive(tmp_path)
    path = tmp_path / "raw"
    path.write_bytes(b"x" * size)
    reader, writer = path.open("rb"), path.open("ab")
    writer.write(b"y" * 100)
    compress(reader, size, tmp_path / "grown.zst")
    writer.flush()
    reader.seek(0)
    compress(reader, size + 1000, tmp_path / "cut.zst")
    for name, expected in (("grown", b"x" * size), ("cut", b"x" * size + b"y" * 100)):
        with (tmp_path / f"{name}.zst").open("rb") as stream:
            decompress(stream, tmp_path / name, None, name)
        assert (tmp_path / name).read_bytes() == expected
    reader.close()
    writer.close()
    assert archive.put_raw("recordings/x/1", "memray", path, "raw") > 0


HOSTILE = ["../escaped", "/escaped", "a/../../escaped", "..", ".", "", "a//b", "a/", "a\0b"]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_file_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    """Whatever recording.json says, nothing is written outside the folder, and it is told."""
    archive = an_archive(tmp_path)
    (tmp_path / "raw").write_bytes(b"x")
    archive.put_raw("recordings/x/1", "memray", tmp_path / "raw", name)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FormatError, match="outside the capture's folder"):
        archive.fetch_raw("recordings/x/1", capture(name), tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Decompression ends at the limit, which counts all files together."""
    archive = an_archive(tmp_path)
    bomb = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    data = b"".join([bomb.compress(bytes(1 << 20)) for _ in range(64)] + [bomb.flush()])
    for name in ("one", "two"):
        archive.store.put(f"recordings/x/1/memray/raw/{name}.zst", data)
    archive.fetch_raw("recordings/x/1", capture("one"), tmp_path / "whole", limit_bytes=64 << 20)
    assert (tmp_path / "whole/one").stat().st_size == 64 << 20
    with pytest.raises(LimitError, match="larger than allowed: 'two'"):
        archive.fetch_raw("recordings/x/1", capture("one", "two"), tmp_path / "both", limit_bytes=70 << 20)
    assert (tmp_path / "both/two").stat().st_size <= 6 << 20


def test_a_damaged_raw_file_is_told(tmp_path: Path) -> None:
    """Cut, changed or foreign: never taken for the capture."""
    archive = an_archive(tmp_path)
    (tmp_path / "raw").write_bytes(os.urandom(300_000))
    archive.put_raw("recordings/x/1", "memray", tmp_path / "raw", "raw")
    path = tmp_path / "store/recordings/x/1/memray/raw/raw.zst"
    good = path.read_bytes()
    changed = good[:150_000] + bytes([good[150_000] ^ 1]) + good[150_001:]
    for number, bad in enumerate((b"", b"x", good[:5], good[:-5], good[:150_000], changed, b"not zstd")):
        path.write_bytes(bad)
        with pytest.raises(FormatError, match="The raw file 'raw' is damaged"):
            archive.fetch_raw("recordings/x/1", capture("raw"), tmp_path / f"out{number}")


def test_what_cannot_be_fetched_is_told(tmp_path: Path) -> None:
    """A missing file, one that is named twice, and a disk that refuses are errors in words."""
    archive = an_archive(tmp_path)
    with pytest.raises(NotFoundError):
        archive.fetch_raw("recordings/x/1", capture("missing"), tmp_path / "out")
    (tmp_path / "raw").write_bytes(b"x")
    for name in ("twice", "n" * 300):
        archive.put_raw("recordings/x/1", "memray", tmp_path / "raw", name)
        with pytest.raises(CaptureError, match="The capture of memray cannot be fetched"):
            archive.fetch_raw("recordings/x/1", capture(name, name), tmp_path / "out")


def test_readings_come_back(tmp_path: Path) -> None:
    """A reading is kept under its name, the same bytes each time."""
    archive = an_archive(tmp_path)
    archive.put_reading("recordings/x/1", "memray", "1.0-3", a_reading())
    assert archive.get_reading("recordings/x/1", "memray", "1.0-3") == a_reading()
    with pytest.raises(NotFoundError):
        archive.get_reading("recordings/x/1", "memray", "1.0-4")
    path = tmp_path / "store/recordings/x/1/memray/readings/1.0-3.json.gz"
    first = path.read_bytes()
    archive.put_reading("recordings/x/1", "memray", "1.0-3", a_reading())
    assert path.read_bytes() == first


def test_a_damaged_reading_is_told(tmp_path: Path) -> None:
    """Cut, foreign or newer readings are FormatErrors."""
    archive = an_archive(tmp_path)
    archive.put_reading("recordings/x/1", "memray", "r", a_reading())
    path = tmp_path / "store/recordings/x/1/memray/readings/r.json.gz"
    good = path.read_bytes()
    newer = gzip.compress(json.dumps({"format": 2}).encode())
    for bad in (b"", b"{}", good[:-5], good[:50], gzip.compress(b"{"), gzip.compress(b"{}"), newer):
        path.write_bytes(bad)
        with pytest.raises(FormatError):
            archive.get_reading("recordings/x/1", "memray", "r")


def test_reports_come_back(tmp_path: Path) -> None:
    """A report is cached under what it was made from: report, revision, renderer, options."""
    archive = an_archive(tmp_path)
    name = report_name("memray.flamegraph", 3, "1.0", {"b": 1, "a": [Path("x")]})
    assert name == report_name("memray.flamegraph", 3, "1.0", {"a": [Path("x")], "b": 1})
    others = [
        report_name("memray.table", 3, "1.0", {"b": 1, "a": [Path("x")]}),
        report_name("memray.flamegraph", 4, "1.0", {"b": 1, "a": [Path("x")]}),
        report_name("memray.flamegraph", 3, "1.1", {"b": 1, "a": [Path("x")]}),
        report_name("memray.flamegraph", 3, "1.0", {"b": 2, "a": [Path("x")]}),
    ]
    assert len({name, *others}) == 5
    archive.put_report("recordings/x/1", "memray", name, "flame graph.html", b"<html>")
    with archive.open_report("recordings/x/1", "memray", name, "flame graph.html") as stream:
        assert stream.read() == b"<html>"
    with pytest.raises(NotFoundError), archive.open_report("recordings/x/1", "memray", others[0], "x"):
        pass
    assert ODD not in name


def a_running_recording(alive_at: datetime | None) -> Recording:
    """Return a recording that makes a checkpoint every 10 seconds."""
    recording = a_recording(status=Status.RUNNING, outcome=None, checkpoint_interval_seconds=10.0)
    return evolve(recording, alive_at=alive_at)


def test_a_silent_recording_is_shown_as_interrupted() -> None:
    """Three missed checkpoints are enough, counted from the last sign of life."""
    recording = a_recording(
        status=Status.RUNNING, outcome=None, alive_at=START, checkpoint_interval_seconds=10.0
    )
    assert effective_status(recording, START + timedelta(seconds=30)) == (Status.RUNNING, None, None)
    status, outcome, evidence = effective_status(recording, START + timedelta(seconds=31))
    assert (status, outcome) == (Status.INTERRUPTED, Outcome.UNKNOWN)
    assert evidence is not None
    assert evidence.text == "no sign of life since 2026-11-14 23:59:59 UTC"


def test_a_recording_that_never_was_seen_alive_is_judged_by_its_event() -> None:
    """Without a sign of life the time of the event counts, or else the start."""
    recording = a_recording(
        status=Status.RUNNING, outcome=None, alive_at=None, checkpoint_interval_seconds=10.0
    )
    late = START + timedelta(seconds=100)
    event = Event("e", EventKind.RUNNING, recording, recording_key(recording), late)
    assert effective_status(event, late + timedelta(seconds=30))[0] is Status.RUNNING
    assert effective_status(event, late + timedelta(seconds=31))[0] is Status.INTERRUPTED
    assert effective_status(recording, late)[0] is Status.INTERRUPTED


def test_an_ended_recording_keeps_its_status() -> None:
    """Only a running recording can fall silent."""
    recording = a_recording(status=Status.COMPLETE, outcome=Outcome.SUCCESS)
    later = START + timedelta(days=365)
    assert effective_status(recording, later) == (Status.COMPLETE, Outcome.SUCCESS, None)
