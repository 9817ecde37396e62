"""Check what goes from a store and what stays, and that a store is cared for once a day, by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from profilerkit import maintenance
from profilerkit.archive import Archive
from profilerkit.codec import event_to_json, format_time
from profilerkit.errors import FormatError, StoreError
from profilerkit.ids import uuid7
from profilerkit.keys import recording_key
from profilerkit.maintenance import maintain
from profilerkit.model import Capture, CaptureFile, Event, EventKind, Recording, Status, Subject
from profilerkit.retention import Rules, due, folder_of, plan, prune
from profilerkit.stores import open_store
from tests.lab import Lab
from tests.store.samples import a_recording, an_archive

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
DAYS = 86_400.0
NOW = datetime.now(timezone.utc)
MONTH = {"retention_days": 30.0, "retention_days_resources": 180.0}


def capture(profiler: str, status: Status = Status.COMPLETE) -> Capture:
    """Return a capture of a profiler."""
    return Capture(profiler, status, files=(CaptureFile("f", 1, 1),))


def put(
    archive: Archive,
    age: timedelta,
    *,
    kind: EventKind = EventKind.FINAL,
    arrived: timedelta | None = None,
    name: str = "etl",
    **changes: Any,
) -> Event:
    """Store a recording that ended so long ago, with a raw file and a report."""
    fields = {
        "id": uuid7(),
        "subject": Subject("script", {"name": name}),
        "status": Status.COMPLETE,
        "started_at": NOW - age - timedelta(minutes=1),
        "ended_at": NOW - age,
        "alive_at": None,
        "captures": (capture("memray"), capture("resources")),
        "parent_id": None,
    }
    recording = a_recording(**{**fields, **changes})
    key = recording_key(recording)
    archive.store.put(f"{key}/memray/raw/f.zst", b"raw" * 10)
    archive.store.put(f"{key}/memray/reports/{recording.revision}-1.0-abc/report.html", b"report")
    archive.store.put(f"{key}/recording.json", b"{}")
    written_at = NOW - (age if arrived is None else arrived)
    event = Event(uuid7(), kind, evolve(recording, roots={}, environment={}), key, written_at)
    archive.journal.append(event)
    return event


def set_back(folder: Path, age: timedelta) -> None:
    """Make everything in a folder look as old."""
    then = time.time() - age.total_seconds()
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def ids(events: list[Event]) -> list[str]:
    """Return the ids of some recordings."""
    return [each.recording.id for each in events]


def test_without_a_rule_nothing_goes(tmp_path: Path) -> None:
    """No rule lets nothing go, however old it is."""
    archive = an_archive(tmp_path)
    event = put(archive, 1000 * DAY)
    assert due([event], Rules(), NOW) == []
    assert due([event], Rules(since_arrival=True), NOW) == []


def test_recordings_go_by_their_end(tmp_path: Path) -> None:
    """A recording of a month that ended today stays; one that ended long ago goes."""
    archive = an_archive(tmp_path)
    old, young = put(archive, 31 * DAY), put(archive, 29 * DAY)
    long = put(archive, DAY, started_at=NOW - 40 * DAY)
    assert due([old, young, long], Rules(30 * DAYS, 30 * DAYS), NOW) == [old]


def test_what_came_late_into_the_store_is_young_for_retention(tmp_path: Path) -> None:
    """What was recovered or imported is kept as long as what was recorded now; a person may delete it."""
    archive = an_archive(tmp_path)
    recovered = put(archive, 40 * DAY, arrived=DAY)
    assert due([recovered], Rules(30 * DAYS, since_arrival=True), NOW) == []
    assert due([recovered], Rules(30 * DAYS), NOW) == [recovered]


def test_recordings_of_resources_alone_have_their_own_age(tmp_path: Path) -> None:
    """Profilers that recorded nothing do not count; with 0 days one kind stays for ever."""
    archive = an_archive(tmp_path)
    alone = put(archive, 100 * DAY, captures=(capture("resources"), capture("cpu", Status.SKIPPED)))
    both = put(archive, 100 * DAY)
    nothing = put(archive, 100 * DAY, captures=(capture("memray", Status.FAILED),))
    every = [alone, both, nothing]
    assert due(every, Rules(30 * DAYS, 180 * DAYS), NOW) == [both, nothing]
    assert due(every, Rules(30 * DAYS, 90 * DAYS), NOW) == every
    assert due(every, Rules(None, 90 * DAYS), NOW) == [alone]
    assert due(every, Rules(30 * DAYS, None), NOW) == [both, nothing]


def test_the_last_of_each_subject_stay(tmp_path: Path) -> None:
    """Counted by subject; runs and tries of a task are one, and children go with who started them."""
    archive = an_archive(tmp_path)
    etl = [put(archive, number * DAY) for number in (5, 4, 3)]
    other = put(archive, 9 * DAY, name="other")
    tasks = [
        put(archive, DAY, subject=Subject("task", {"dag_id": "d", "run_id": str(run), "try_number": "1"}))
        for run in range(3)
    ]
    children = [put(archive, DAY, parent_id=each.recording.id, name="child") for each in etl]
    every = [*etl, other, *tasks, *children]
    assert due(every, Rules(keep_last=1), NOW) == [*etl[:2], *tasks[:2], *children[:2]]
    assert due(every, Rules(keep_last=3), NOW) == []
    assert due(every, Rules(4.5 * DAYS, 4.5 * DAYS, keep_last=1), NOW) == etl[:1]


def test_what_runs_stays_until_it_was_silent_for_a_day(tmp_path: Path) -> None:
    """Whatever the rule is: an upload that is late for an hour is no reason."""
    archive = an_archive(tmp_path)
    running: dict[str, Any] = {"kind": EventKind.RUNNING, "status": Status.RUNNING, "ended_at": None}
    live = put(archive, 40 * DAY, alive_at=NOW, arrived=timedelta(0), **running)
    quiet = put(archive, 40 * DAY, alive_at=NOW - timedelta(hours=5), arrived=timedelta(hours=5), **running)
    gone = put(archive, 40 * DAY, alive_at=NOW - 2 * DAY, arrived=2 * DAY, **running)
    rules = Rules(3600.0, 3600.0)
    assert due([live, quiet, gone], rules, NOW) == [gone]
    assert due([live, quiet, gone], Rules(keep_last=1), NOW) == []
    (doomed,) = plan(archive, rules, NOW).recordings
    assert doomed.event == gone
    put(archive, DAY, id=gone.recording.id, revision=9)
    assert list(prune(archive, plan(archive, Rules(keep_last=9), NOW))) == []
    assert doomed not in list(prune(archive, evolve(plan(archive, rules, NOW), recordings=(doomed,))))


def test_pruning_deletes_and_tells(tmp_path: Path) -> None:
    """What is pruned is in no list and no folder, and its bytes are told."""
    archive = an_archive(tmp_path)
    old, young = put(archive, 40 * DAY), put(archive, DAY)
    doomed = plan(archive, Rules(30 * DAYS, 30 * DAYS), NOW)
    assert doomed.size_bytes == 30 + 6 + 2
    assert [each.event for each in prune(archive, doomed)] == [old]
    assert archive.recordings() == [young]
    assert not any(old.recording.id in each.key for each in archive.store.list("recordings/"))
    assert list(plan(archive, Rules(30 * DAYS, 30 * DAYS), NOW)) == []


def test_folders_without_a_recording_go_after_a_day(tmp_path: Path) -> None:
    """What a ship left that was killed before its first event, or that was late for a deleted recording."""
    archive = an_archive(tmp_path)
    known, deleted = put(archive, 2 * DAY), put(archive, 2 * DAY)
    lost = recording_key(a_recording())
    archive.store.put(f"{lost}/memray/raw/sub/f.zst", b"12345")
    archive.delete(deleted)
    archive.store.put(f"{deleted.key}/memray/raw/f.zst", b"123")
    assert plan(archive, Rules(), NOW).orphans == ()
    set_back(tmp_path / "store" / "recordings", 2 * DAY)
    orphans = plan(archive, Rules(), NOW).orphans
    assert sorted((each.key, each.size_bytes) for each in orphans) == sorted([(lost, 5), (deleted.key, 3)])
    list(prune(archive, plan(archive, Rules(), NOW)))
    assert archive.recordings() == [known]
    assert {each.key.rsplit("/", 1)[0] for each in archive.store.list("recordings/")} >= {known.key}
    assert plan(archive, Rules(), NOW).orphans == ()


def test_what_is_not_ours_is_not_touched(tmp_path: Path) -> None:
    """Other files in the store's folder, also where recordings are, and recordings of other ids."""
    archive = an_archive(tmp_path)
    foreign = [
        "README",
        "data/x.parquet",
        "recordings/notes.txt",
        "recordings/script/etl/notes.txt",
        f"recordings/script/{uuid7()}/notes.txt",
        f"recordings/script/etl/{uuid7()}/data/x",
        f"recordings/script/{uuid7()}/memray/raw/{uuid7()}/memray/raw/x.zst",
        f"journal/2020-01-01T00/{uuid7()}.json",
    ]
    for key in foreign:
        archive.store.put(key, b"mine")
    other = put(archive, 400 * DAY, id="etl")
    set_back(tmp_path, 400 * DAY)
    assert list(plan(archive, Rules(DAYS, DAYS), NOW)) == []
    assert archive.recordings() == [other]
    assert folder_of("recordings/script/etl/x/recording.json") is None


def test_reports_of_older_revisions_go(tmp_path: Path) -> None:
    """Of a recording that stays nobody asks for what was made of an earlier revision of it."""
    archive = an_archive(tmp_path)
    event = put(archive, 2 * DAY, revision=7)
    stale = [f"{event.key}/memray/reports/6-1.0-abc/a.html", f"{event.key}/memray/readings/1.0-2-3.json.gz"]
    kept = [f"{event.key}/memray/reports/odd/a.html", f"{event.key}/memray/readings/1.0-7.json.gz"]
    kept += [f"{event.key}/memray/raw/6-1.0-abc/a.html.zst", f"{event.key}/memray/reports/8-1.0-abc/a.html"]
    for key in (*stale, *kept):
        archive.store.put(key, b"123")
    assert plan(archive, Rules(), NOW).stale == ()
    set_back(tmp_path / "store", 2 * DAY)
    assert sorted(each.key for each in prune(archive, plan(archive, Rules(), NOW))) == sorted(stale)
    left = {each.key for each in archive.store.list("recordings/")}
    assert left >= set(kept) and not left & set(stale)


@pytest.mark.parametrize("kind", [EventKind.FINAL, EventKind.RUNNING])
def test_a_store_of_a_newer_format_is_left_alone(tmp_path: Path, kind: EventKind) -> None:
    """One event that a newer version wrote, and nothing is judged by what this one can read."""
    archive = an_archive(tmp_path)
    event = put(archive, 40 * DAY, kind=kind)
    newer = event_to_json(evolve(event, kind=EventKind.FINAL)).replace(b'"format":1', b'"format":2')
    key = f"journal/2026-11-14T00/{uuid7()}-{event.recording.id}-final.json"
    archive.store.put(key.replace("final", "deleted") if kind is EventKind.FINAL else key, newer)
    with pytest.raises(FormatError, match="newer format: nothing was deleted"):
        plan(archive, Rules(DAYS, DAYS), NOW)
    with pytest.raises(FormatError):
        maintain(archive, MONTH, settle_seconds=0)
    assert archive.recordings() == [event]
    assert any(event.recording.id in each.key for each in archive.store.list("recordings/"))


def test_a_recording_whose_event_is_damaged_stays(tmp_path: Path) -> None:
    """Neither as old nor as a folder of nobody: its event may be mended."""
    archive = an_archive(tmp_path)
    event = put(archive, 40 * DAY)
    (path,) = (tmp_path / "store" / "journal").rglob("*-final.json")
    path.write_bytes(b"damaged")
    set_back(tmp_path, 40 * DAY)
    assert archive.recordings() == []
    assert list(plan(archive, Rules(DAYS, DAYS), NOW)) == []
    assert any(event.recording.id in each.key for each in archive.store.list("recordings/"))


PRUNE = """
import os, sys
from datetime import datetime
from profilerkit.archive import Archive
from profilerkit.interfaces import ResultStore
from profilerkit.localstore import LocalStore
from profilerkit.retention import Rules, plan, prune
from pathlib import Path
class Dying(ResultStore):
    left = int(sys.argv[2])
    def __init__(self, store): self.store = store
    def from_url(url): raise OSError
    def step(self):
        Dying.left -= 1
        if Dying.left < 0:
            os._exit(9)
    def put(self, key, data):
        self.step()
        self.store.put(key, data)
    def open(self, key): return self.store.open(key)
    def list(self, prefix): return self.store.list(prefix)
    def delete(self, prefix):
        self.step()
        for each in list(self.store.list(prefix)):
            self.step()
            self.store.delete(each.key)
archive = Archive(Dying(LocalStore(Path(sys.argv[1]))))
rules = Rules(86400.0 * 30, 86400.0 * 30)
list(prune(archive, plan(archive, rules)))
"""


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 9])
def test_pruning_that_is_killed_is_ended_by_the_next(tmp_path: Path, steps: int) -> None:
    """A recording is listed whole or not at all, and what is left of it goes with a later pruning."""
    archive = an_archive(tmp_path)
    olds, young = [put(archive, 40 * DAY), put(archive, 41 * DAY)], put(archive, DAY)
    done = subprocess.run(
        [sys.executable, "-c", PRUNE, str(tmp_path / "store"), str(steps)], check=False, cwd=ROOT
    )
    assert done.returncode == 9
    for event in archive.recordings():
        found = [each.key for each in archive.store.list(f"{event.key}/")]
        assert len(found) == 3, "what is listed is whole"
    set_back(tmp_path / "store" / "recordings", 2 * DAY)
    list(prune(archive, plan(archive, Rules(30 * DAYS, 30 * DAYS), NOW)))
    assert archive.recordings() == [young]
    left = {each.key for each in archive.store.list("recordings/")}
    assert not any(event.recording.id in key for key in left for event in olds)


def lease_of(archive: Archive) -> dict[str, Any]:
    """Return what `maintenance.json` says."""
    with archive.store.open("maintenance.json") as stream:
        found: dict[str, Any] = json.loads(stream.read())
    return found


def test_a_store_is_cared_for_once_a_day(tmp_path: Path) -> None:
    """Who comes later on the same day finds it done; the next day, or after a killed one, it is due."""
    archive = an_archive(tmp_path)
    old, young = put(archive, 40 * DAY), put(archive, 9 * DAY)
    assert maintain(archive, MONTH, settle_seconds=0)
    assert archive.recordings() == [young]
    days = {each.key[13:23] for each in archive.store.list("journal/days/")}
    assert days == {f"{each.written_at:%Y-%m-%d}" for each in (old, young)}
    another = put(archive, 40 * DAY)
    assert not maintain(archive, MONTH, settle_seconds=0)
    assert another in archive.recordings()
    kept = lease_of(archive)
    assert kept["lease"]["ended_at"] > kept["lease"]["begun_at"]
    for begun, ended, is_due in [
        (25, 24, True), (23, 22, False), (-3, -3, False), (-900, None, True), (5, None, False),
        (7, None, True),
    ]:  # fmt: skip
        times = [
            None if hours is None else format_time(NOW - timedelta(hours=hours)) for hours in (begun, ended)
        ]
        kept["lease"].update(begun_at=times[0], ended_at=times[1])
        archive.store.put("maintenance.json", json.dumps(kept).encode())
        assert maintain(archive, MONTH, settle_seconds=0) == is_due, (begun, ended)
    assert archive.recordings() == [young]


@pytest.mark.parametrize(
    "damage", [b"", b"damaged", b"[]", b"null", b'{"format":1,"lease":3,"wishes":[]}',
               b'{"format":1,"lease":{"begun_at":"x"},"wishes":{"retention_days":{"x":1,"0":"x","3":"2026-01-01"}}}']
)  # fmt: skip
def test_a_damaged_lease_is_none(tmp_path: Path, damage: bytes) -> None:
    """Whatever lies under its key, the store is cared for."""
    archive = an_archive(tmp_path)
    put(archive, 40 * DAY)
    archive.store.put("maintenance.json", damage)
    assert maintain(archive, MONTH, settle_seconds=0)
    assert archive.recordings() == []


def test_a_lease_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    """The store belongs to a newer version."""
    archive = an_archive(tmp_path)
    put(archive, 40 * DAY)
    archive.store.put("maintenance.json", b'{"format":2}')
    with pytest.raises(FormatError, match="newer"):
        maintain(archive, MONTH, settle_seconds=0)
    assert len(archive.recordings()) == 1


def test_the_longest_time_that_somebody_asked_for_counts(tmp_path: Path) -> None:
    """One host with the default deletes nothing of a store that another wants to keep, for ever or longer."""
    archive = an_archive(tmp_path)
    events = [put(archive, days * DAY) for days in (40, 100)]
    for_ever = {"retention_days": 0.0, "retention_days_resources": 0.0}
    assert not maintain(archive, for_ever, settle_seconds=0)
    assert not maintain(archive, MONTH, settle_seconds=0)
    assert not maintain(archive, {**for_ever, "retention_days_resources": 1.0}, settle_seconds=0)
    assert len(archive.recordings()) == 2
    kept = lease_of(archive)
    long_ago = format_time(NOW - 31 * DAY)
    kept["wishes"]["retention_days"] = {"0": long_ago, "90": format_time(NOW - 3 * DAY)}
    kept["lease"] = {}
    archive.store.put("maintenance.json", json.dumps(kept).encode())
    assert maintain(archive, MONTH, settle_seconds=0)
    assert ids(archive.recordings()) == ids(events[:1])
    assert sorted(lease_of(archive)["wishes"]["retention_days"]) == ["30", "90"]
    assert sorted(lease_of(archive)["wishes"]["retention_days_resources"]) == ["0", "1", "180"]


def test_where_all_is_kept_nothing_is_done(tmp_path: Path) -> None:
    """Neither pruned nor compacted, however often."""
    archive = an_archive(tmp_path)
    put(archive, 400 * DAY)
    set_back(tmp_path, 400 * DAY)
    before = sorted(each.key for each in archive.store.list(""))
    for _ in range(2):
        assert not maintain(archive, dict.fromkeys(MONTH, 0.0), settle_seconds=0)
    assert sorted(each.key for each in archive.store.list("")) == sorted([*before, "maintenance.json"])


def test_a_clock_that_is_ahead_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the earlier of our time and that of the store, which dated the lease."""
    archive = an_archive(tmp_path)
    event = put(archive, DAY)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + 1000 * DAY

    monkeypatch.setattr(maintenance, "datetime", Ahead)
    assert maintain(archive, MONTH, settle_seconds=0)
    assert archive.recordings() == [event]


MAINTAIN = """
import sys
from profilerkit.archive import Archive
from profilerkit.maintenance import maintain
from profilerkit.stores import open_store
archive = Archive(open_store(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(maintain(archive, {"retention_days": 30.0, "retention_days_resources": 180.0}))
"""


@pytest.mark.parametrize("place", ["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def test_two_hosts_at_once(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Both may begin in the same moment: at least one does it, and the store is as if one had."""
    url = str(tmp_path / "store") if place == "folder" else f"s3://{request.getfixturevalue('s3_bucket')}/x"
    archive = Archive(open_store(url))
    young = [put(archive, 9 * DAY) for _ in range(3)]
    for days in range(31, 36):
        put(archive, days * DAY)
    command = [sys.executable, "-c", MAINTAIN, url]
    hosts = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=ROOT) for _ in range(2)]
    for each in hosts:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in hosts:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    answers = [each.communicate(timeout=120)[0].strip() for each in hosts]
    assert [each.returncode for each in hosts] == [0, 0]
    assert "True" in answers
    assert sorted(ids(archive.recordings())) == sorted(ids(young))
    assert not maintain(archive, MONTH, settle_seconds=0)
    assert lease_of(archive)["lease"]["ended_at"] is not None


def old_recording(lab: Lab) -> tuple[Archive, Recording]:
    """Put a recording of 40 days ago into a lab's store."""
    archive = Archive(open_store(str(lab.store)))
    return archive, put(archive, 40 * DAY).recording


def maintenance_log(lab: Lab) -> str:
    """Return what maintenance, which nobody waits for, has logged so far."""
    return "".join(each.read_text() for each in lab.spool.glob(".ship-*.log"))


def test_an_upload_has_the_store_pruned(lab: Lab) -> None:
    """Whoever records sees old recordings go, once: the next one within the hour does not even look."""
    archive, _ = old_recording(lab)
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    lab.wait_until(lambda: len(archive.recordings()) == 1)
    lab.wait_until(lambda: lease_of(archive)["lease"]["ended_at"] is not None)
    lab.wait_until(lambda: "Deleted 1 recordings" in maintenance_log(lab))
    before = lease_of(archive)
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    assert lease_of(archive) == before
    assert len(lab.list()) == 2


def test_settings_keep_recordings_for_ever(lab: Lab) -> None:
    """With 0 days in the settings of a recording its store is left as it is."""
    archive, old = old_recording(lab)
    lab.environment.update(PROFILERKIT_RETENTION_DAYS="0", PROFILERKIT_RETENTION_DAYS_RESOURCES="0")
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    lab.wait_until(lambda: (lab.store / "maintenance.json").exists())
    assert lease_of(archive) == {
        "format": 1,
        "lease": {},
        "wishes": lease_of(archive)["wishes"],
    }
    assert old.id in ids(archive.recordings())


def test_a_store_that_fails_stops_nothing(lab: Lab) -> None:
    """What maintenance cannot do is a line in its log; recordings are uploaded all the same."""
    archive, old = old_recording(lab)
    archive.store.put("maintenance.json/blocked", b"")
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    lab.wait_until(lambda: "cannot be" in maintenance_log(lab))
    assert len(lab.list()) == 2
    with pytest.raises(StoreError):
        maintain(archive, MONTH, settle_seconds=0)
    assert old.id in ids(archive.recordings())
