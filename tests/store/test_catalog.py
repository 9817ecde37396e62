"""Check the catalog: whatever happens to it or to the journal, it lists what the journal lists."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest
import zstandard
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profilerkit import compaction
from profilerkit.archive import Archive, effective_status
from profilerkit.catalog.catalog import Catalog
from profilerkit.catalog.query import Query
from profilerkit.catalog.scope import Scope
from profilerkit.codec import event_to_json
from profilerkit.ids import uuid7
from profilerkit.interfaces import ResultStore, StoredObject
from profilerkit.journal import Journal, brief
from profilerkit.keys import recording_key
from profilerkit.localstore import LocalStore
from profilerkit.model import Event, EventKind, Outcome, Recording, Status, Subject
from tests.lab import Lab
from tests.store.samples import ODD, a_recording, an_archive

FINGERPRINT = "0123456789abcdef"
RUNNING, FINAL, DELETED = EventKind


def a_catalog(archive: Archive, folder: Path, fingerprint: str = FINGERPRINT) -> Catalog:
    """Return a catalog as another process would open it."""
    return Catalog.at(folder / "catalogs", archive, fingerprint)


def file_of(folder: Path) -> Path:
    """Return the file of that catalog."""
    return folder / "catalogs" / f"{FINGERPRINT}.sqlite"


def an_event(recording: Recording, kind: EventKind, revision: int = 0, **ago: float) -> Event:
    """Return an event that was written so long ago, by the clock of who wrote it."""
    written_at = datetime.now(timezone.utc) - timedelta(**ago)
    return Event(
        uuid7(), kind, brief(evolve(recording, revision=revision)), recording_key(recording), written_at
    )


def compact(journal: Journal, keys: Sequence[str], day: str) -> None:
    """Move events into a day, as whoever compacts does: the day first."""
    events = [event for _, event in journal.read(keys)]
    lines = b"".join(event_to_json(event) + b"\n" for event in events)
    journal.store.put(f"journal/days/{day}.jsonl.zst", zstandard.ZstdCompressor().compress(lines))
    for key in keys:
        journal.store.delete(key)


def stored_ids(path: Path) -> set[str]:
    """Return the recordings in a catalog's file."""
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT id FROM events")}


class Watched(ResultStore):
    """A store that notes which objects were opened."""

    def __init__(self, store: ResultStore) -> None:
        self.store = store
        self.opened: list[str] = []

    @classmethod
    def from_url(cls, url: str) -> ResultStore:
        """Return the store at a path."""
        return cls(LocalStore.from_url(url))

    def put(self, key: str, data: Path | bytes) -> None:
        """Store it."""
        self.store.put(key, data)

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open it."""
        self.opened.append(key)
        return self.store.open(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List it."""
        return self.store.list(prefix)

    def delete(self, prefix: str) -> None:
        """Delete it."""
        self.store.delete(prefix)


def test_what_is_published_is_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Running, then final, then gone: after each sync the list is the journal's, and nothing is mended."""
    caplog.set_level(logging.DEBUG)
    archive = an_archive(tmp_path)
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    assert catalog.select() == []
    recording = a_recording(status=Status.RUNNING)
    other = archive.publish(a_recording(), FINAL)
    for state, kind in ((recording, RUNNING), (evolve(recording, status=Status.COMPLETE, revision=9), FINAL)):
        archive.publish(state, kind)
        catalog.sync()
        assert catalog.select() == archive.recordings()
        assert catalog.count() == 2
    archive.delete(recording)
    catalog.sync()
    assert catalog.select() == a_catalog(archive, tmp_path).select() == [other]
    assert caplog.records == []


events_of_three = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([RUNNING, RUNNING, FINAL, DELETED]),
        st.integers(0, 3),
        st.floats(-20, 20),
    ),
    max_size=8,
)
steps = st.lists(st.sampled_from(["sync", "full", "twice", "compact", "other"]), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events_of_three, steps, st.integers(0, 1 << 32).map(Random), st.booleans())
def test_the_list_is_the_journals_whatever_came_when(
    parts: list[tuple[int, EventKind, int, float]], then: list[str], random: Random, far: bool
) -> None:
    """Events out of order, twice, late, compacted, from clocks that differ by hours, or by weeks.

    Those from clocks that are days wrong are seen once a day.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = an_archive(folder)
        catalogs = [a_catalog(archive, folder) for _ in range(2)]
        recordings = [a_recording() for _ in range(3)]
        events = [
            an_event(recordings[which], kind, revision, hours=hours * (40 if far else 1))
            for which, kind, revision, hours in parts
        ]
        random.shuffle(events)
        days = itertools.count(1)
        for event, step in itertools.zip_longest(events, then):
            if event is not None:
                archive.journal.append(event)
            if step == "twice" and events:
                archive.journal.append(events[0])
            elif step == "compact":
                keys = list(archive.journal.keys(datetime.now(timezone.utc) - timedelta(hours=40)))
                compact(archive.journal, random.sample(keys, len(keys) // 2), f"2026-01-{next(days):02}")
            elif step is not None:
                catalogs[step == "other"].sync(full=step == "full")
        for catalog in catalogs:
            catalog.sync(full=far)
            assert catalog.select() == archive.recordings()


def test_a_late_running_event_revives_nothing(tmp_path: Path) -> None:
    """What was deleted stays deleted, also when the event comes syncs later, and is not even read."""
    store = Watched(an_archive(tmp_path).store)
    archive, recording = Archive(store), a_recording()
    archive.journal.append(an_event(recording, DELETED))
    kept = archive.publish(a_recording(), FINAL)
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    late = archive.journal.append(an_event(recording, RUNNING, 99, hours=1))
    catalog.sync()
    assert catalog.select() == [kept]
    catalog.sync(full=True)
    assert catalog.select() == [kept]
    assert late not in store.opened


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    """Each event is opened once, whoever syncs how often; a compacted day once more."""
    store = Watched(an_archive(tmp_path).store)
    archive = Archive(store)
    keys = [archive.journal.append(an_event(a_recording(), FINAL, hours=hours)) for hours in (0, 1, 500)]
    for full in (False, False, True):
        a_catalog(archive, tmp_path).sync(full=full)
    assert sorted(store.opened) == sorted(keys)
    compact(archive.journal, keys[2:], "2026-10-31")
    store.opened.clear()
    for full in (False, True, True):
        a_catalog(archive, tmp_path).sync(full=full)
    assert store.opened == ["journal/days/2026-10-31.jsonl.zst"]
    assert a_catalog(archive, tmp_path).select() == archive.recordings()


def test_what_cannot_be_read_is_told_once_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged and a newer event are passed over with the journal's warning, and left alone after that."""
    archive = an_archive(tmp_path)
    kept = archive.publish(a_recording(), FINAL)
    hour = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H")
    archive.store.put(f"journal/{hour}/{uuid7()}-x-final.json", b"not json")
    archive.store.put(f"journal/{hour}/{uuid7()}-y-final.json", b'{"format": 2}')
    told = []
    for full in (False, False, True):
        caplog.clear()
        catalog = a_catalog(archive, tmp_path)
        catalog.sync(full=full)
        told.append(len(caplog.records))
        assert catalog.select() == [kept]
    assert told == [2, 0, 2]


def test_a_day_that_is_rewritten_is_read_again(tmp_path: Path) -> None:
    """Late events that are added to a compacted day are found."""
    archive = an_archive(tmp_path)
    keys = [archive.journal.append(an_event(a_recording(), FINAL, hours=500)) for _ in range(2)]
    events = [event for _, event in archive.journal.read(keys)]
    compact(archive.journal, keys[:1], "2026-10-31")
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    lines = b"".join(event_to_json(event) + b"\n" for event in events)
    archive.store.put("journal/days/2026-10-31.jsonl.zst", zstandard.ZstdCompressor().compress(lines))
    archive.store.delete(keys[1])
    catalog.sync(full=True)
    assert catalog.select() == archive.recordings() == events[::-1]


def test_compaction_costs_one_look_at_its_files(tmp_path: Path) -> None:
    """After `compact`, twice, with deleted recordings among them, the list is the same."""
    store = Watched(an_archive(tmp_path).store)
    archive = Archive(store)
    for hours in range(0, 900, 60):
        recording = a_recording(status=Status.RUNNING)
        archive.journal.append(an_event(recording, RUNNING, hours=hours))
        archive.journal.append(an_event(recording, FINAL if hours % 120 else DELETED, 1, hours=hours))
    before = archive.recordings()
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    read = []
    for _ in range(2):
        compaction.compact(archive)
        store.opened.clear()
        catalog.sync(full=True)
        read.append(sorted(store.opened))
        assert catalog.select() == archive.recordings() == before
    days = sorted(each.key for each in archive.journal.days())
    assert len(days) > 5
    assert read == [days, []]


def test_what_was_taken_away_by_hand_is_gone(tmp_path: Path) -> None:
    """An hour of the journal, a final event, all of the store: the list is what is left."""
    archive = an_archive(tmp_path)
    catalog = a_catalog(archive, tmp_path)
    recording = a_recording(status=Status.RUNNING)
    archive.publish(recording, RUNNING)
    archive.publish(a_recording(), FINAL)
    final = archive.journal.append(an_event(recording, FINAL, 9))
    old = archive.journal.append(an_event(a_recording(), FINAL, hours=900))
    catalog.sync()
    assert catalog.count() == 3
    archive.store.delete(final)
    catalog.sync()
    assert catalog.select() == archive.recordings()
    assert catalog.count() == 3
    archive.store.delete(old.rpartition("/")[0])
    catalog.sync(full=True)
    assert catalog.select() == archive.recordings()
    assert catalog.count() == 2
    shutil.rmtree(tmp_path / "store")
    catalog.sync()
    assert catalog.select() == []


@pytest.mark.parametrize("compacted", [False, True])
def test_another_store_in_the_place_of_a_quiet_one_is_noticed(tmp_path: Path, compacted: bool) -> None:
    """Also when nothing happened there for long, so that nothing known is among the recent events."""
    archive = an_archive(tmp_path)
    catalog = a_catalog(archive, tmp_path)
    keys = [archive.journal.append(an_event(a_recording(), FINAL, hours=900))]
    if compacted:
        compact(archive.journal, keys, "2026-10-31")
    catalog.sync()
    assert catalog.count() == 1
    shutil.rmtree(tmp_path / "store")
    new = archive.publish(a_recording(), FINAL)
    catalog.sync()
    assert catalog.select() == [new]


# -- queries ---------------------------------------------------------------------------------------


def some_recordings() -> list[Recording]:
    """Return recordings that differ in whatever can be asked for."""
    now = datetime.now(timezone.utc)
    silent = now - timedelta(seconds=91)
    return [
        a_recording(),
        a_recording(subject=Subject("script", {"name": "etl.py"}), labels={"a=b": "c"}),
        a_recording(subject=Subject("script", {"name": "Etl[1]"}), outcome=None, labels={"a": "b=c"}),
        a_recording(status=Status.RUNNING, outcome=None, alive_at=now, labels={}),
        a_recording(status=Status.RUNNING, outcome=None, alive_at=silent),
        a_recording(status=Status.RUNNING, outcome=None, alive_at=None, checkpoint_interval_seconds=1e300),
        a_recording(status=Status.COMPLETE, outcome=Outcome.SUCCESS, subject=Subject("script")),
        a_recording(status=Status.COMPLETE, outcome=Outcome.UNKNOWN, subject=Subject("script", {"x": ""})),
    ]


QUERIES = [
    Query(),
    *(Query(name=each) for each in ("etl*", "*[[]1]", "", "*", "etl.py", f"{ODD[:17]}*", "[", "\udcff")),
    *(Query(kind=each) for each in ("script", "task", "", "\udcff")),
    *(Query(status=each) for each in Status),
    *(Query(outcome=each) for each in Outcome),
    *(Query(labels=each) for each in ((("a", "b=c"),), (("team", "data"), (ODD, ODD)), (("a", "\ud800"),))),
    Query(kind="script", status=Status.COMPLETE, outcome=Outcome.SUCCESS, name="*"),
]


def test_rows_are_wanted_as_recordings_are(tmp_path: Path) -> None:
    """Conditions on rows and the test of one recording agree, on status and outcome as they are shown."""
    archive = an_archive(tmp_path)
    events = [archive.publish(each, FINAL) for each in some_recordings()][::-1]
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    now = datetime.now(timezone.utc)
    shown = []
    for event in events:
        status, outcome, _ = effective_status(event, now)
        shown.append(evolve(event.recording, status=status, outcome=outcome))
    ids = [each.id for each in shown]
    more = [
        Query(id_prefix=ids[0]), Query(id_prefix=ids[0][:9]), Query(id_prefix="z"), Query(id_prefix=""),
        Query(without=tuple(ids[1:3])), Query(without=(ODD,), id_prefix=ids[1][:30]),
    ]  # fmt: skip
    for query in (*QUERIES, *more):
        wanted = [event for event, each in zip(events, shown, strict=True) if query.fits(each)]
        assert catalog.select(query) == wanted, query
        assert catalog.count(query) == len(wanted), query
        assert catalog.ids(query) == [event.recording.id for event in wanted], query
    assert catalog.count(Query(status=Status.INTERRUPTED)) == 1


def test_pages_follow_each_other(tmp_path: Path) -> None:
    """Each page begins after the last recording of the one before, whatever was added meanwhile."""
    archive = an_archive(tmp_path)
    events = [archive.publish(a_recording(), FINAL) for _ in range(5)]
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    first = catalog.page(scope=Scope.ALL, limit=2)
    archive.publish(a_recording(), FINAL)
    catalog.sync()
    second = catalog.page(scope=Scope.ALL, limit=2, after=first.next)
    third = catalog.page(scope=Scope.ALL, limit=2, after=second.next)
    assert [each.event for page in (first, second, third) for each in page.rows] == events[::-1]
    assert [first.total, second.total, third.next] == [5, 6, None]


def test_it_is_told_which_have_ended(tmp_path: Path) -> None:
    """Of the ids that are asked for, those with a final event."""
    archive = an_archive(tmp_path)
    ended, running, deleted = (a_recording() for _ in range(3))
    for recording, kind in ((ended, FINAL), (running, RUNNING), (deleted, DELETED)):
        archive.publish(recording, kind)
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    assert catalog.finals([ended.id, running.id, deleted.id, ODD]) == {ended.id}


# -- faults ----------------------------------------------------------------------------------------


def spoil_middle(path: Path) -> None:
    """Overwrite pages in the middle."""
    data = bytearray(path.read_bytes())
    data[8192 : len(data) // 2 + 8192] = os.urandom(len(data) // 2)
    path.write_bytes(data)


def run_sql(statement: str) -> Callable[[Path], None]:
    """Return what runs a statement on a file."""

    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return spoil


def another_database(path: Path) -> None:
    """Put a database of something else there."""
    path.unlink()
    run_sql("CREATE TABLE bookmarks (url TEXT)")(path)


def another_store(path: Path) -> None:
    """Put the catalog of another store there."""
    folder = path.parent.parent / "elsewhere"
    archive = an_archive(folder)
    archive.publish(a_recording(), FINAL)
    a_catalog(archive, folder, "fedcba9876543210").sync()
    shutil.copy(folder / "catalogs" / "fedcba9876543210.sqlite", path)


SPOILERS: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "no database": lambda path: path.write_bytes(b"not a database" * 1000),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "spoiled": spoil_middle,
    "foreign": another_database,
    "of another store": another_store,
    "of a newer format": run_sql("UPDATE meta SET value = '9 of 1' WHERE name = 'format'"),
    "of an older format": run_sql("UPDATE meta SET value = '0 of 1' WHERE name = 'format'"),
    "without a table": run_sql("DROP TABLE events"),
    "with damaged events": run_sql("UPDATE events SET event = 'x'"),
    "with exchanged events": run_sql("UPDATE events SET event = (SELECT event FROM events LIMIT 1)"),
    "without events": run_sql("DELETE FROM events"),
    "with odd kinds": run_sql("UPDATE events SET kind = 'odd'"),
    "without a generation": run_sql("DELETE FROM meta WHERE name = 'generation'"),
    "never completed": run_sql("DELETE FROM meta WHERE name = 'listed_at'"),
    "of tomorrow": run_sql("UPDATE meta SET value = value + 90000 WHERE name = 'listed_at'"),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_a_catalog_that_is_not_as_it_should_be_is_made_anew(tmp_path: Path, name: str) -> None:
    """The list is right at once, and so is the file after that."""
    archive = an_archive(tmp_path)
    for number in range(200):
        archive.journal.append(an_event(a_recording(), FINAL, hours=number))
    a_catalog(archive, tmp_path).sync()
    path = file_of(tmp_path)
    ids = stored_ids(path)
    assert len(ids) == 200
    SPOILERS[name](path)
    archive.journal.append(an_event(a_recording(), RUNNING))
    catalog = a_catalog(archive, tmp_path)
    catalog.sync()
    assert catalog.select() == archive.recordings()
    assert stored_ids(path) == {each.recording.id for each in archive.recordings()}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("place", ["a file", "nowhere", "a folder in its place", "a link"])
def test_where_no_file_can_be_written_it_is_in_memory(tmp_path: Path, place: str) -> None:
    """The list is right all the same, again and again, and nothing of others is touched."""
    archive = an_archive(tmp_path)
    events = [archive.publish(a_recording(), FINAL) for _ in range(3)][::-1]
    folder = tmp_path
    target = tmp_path / "target"
    if place == "a file":
        (tmp_path / "catalogs").write_text("mine")
    elif place == "nowhere":
        folder = Path("/proc/self")
    elif place == "a folder in its place":
        file_of(tmp_path).mkdir(parents=True)
    else:
        target.write_text("mine")
        file_of(tmp_path).parent.mkdir(mode=0o700)
        file_of(tmp_path).symlink_to(target)
    catalog = a_catalog(archive, folder)
    catalog.sync()
    assert catalog.select() == events
    more = archive.publish(a_recording(), FINAL)
    catalog.sync()
    assert catalog.select() == [more, *events]
    catalog.close()
    if place == "a file":
        assert (tmp_path / "catalogs").read_text() == "mine"
    if place == "a link":
        assert target.read_text() == "mine"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_folder_is_left_alone(tmp_path: Path) -> None:
    """Then it is in memory."""
    archive = an_archive(tmp_path)
    events = [archive.publish(a_recording(), FINAL) for _ in range(3)][::-1]
    (tmp_path / "cache").mkdir(mode=0o500)
    catalog = a_catalog(archive, tmp_path / "cache")
    catalog.sync()
    assert catalog.select() == events
    assert list((tmp_path / "cache").iterdir()) == []


SYNC = """
import sys, time
from pathlib import Path
from profilerkit.archive import Archive
from profilerkit.catalog.catalog import Catalog
from profilerkit.localstore import LocalStore
folder, stop = Path(sys.argv[1]), Path(sys.argv[1], "stop")
archive = Archive(LocalStore(folder / "store"))
catalog = Catalog.at(folder / "catalogs", archive, sys.argv[2])
print("ready", flush=True)
rounds = 0
while True:
    last = stop.exists()
    catalog.sync(full=rounds % 3 == 2)
    found = catalog.select()
    rounds += 1
    if last:
        break
print(rounds, *(f"{each.recording.id}:{each.recording.revision}" for each in found))
"""


def start_sync(folder: Path) -> subprocess.Popen[str]:
    """Start a process that syncs until there is a file `stop`, then prints what it has."""
    return subprocess.Popen(
        [sys.executable, "-c", SYNC, str(folder), FINGERPRINT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_several_processes_sync_one_catalog_while_it_changes(tmp_path: Path) -> None:
    """They see the same in the end, though the file is damaged again and again under their hands."""
    folder = tmp_path.resolve()
    archive = an_archive(folder)
    archive.publish(a_recording(), FINAL)
    processes = [start_sync(folder) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for number in range(40):
        recording = a_recording(status=Status.RUNNING)
        for revision in (1, 2):
            archive.publish(evolve(recording, revision=revision), RUNNING)
        archive.publish(evolve(recording, revision=3), FINAL)
        if number % 10 == 5:
            run_sql("UPDATE meta SET value = '0 of 1' WHERE name = 'format'")(file_of(folder))
        if number % 10 == 9:
            keys = list(archive.journal.keys(datetime.now(timezone.utc) - timedelta(hours=2)))
            compact(archive.journal, keys[:10], f"2026-01-{number:02}")
    (folder / "stop").touch()
    found = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    expected = [f"{each.recording.id}:{each.recording.revision}" for each in archive.recordings()]
    assert len(expected) == 41
    for rounds, *listed in found:
        assert int(rounds) > 1
        assert listed == expected
    assert len(stored_ids(file_of(folder))) == 41


@pytest.mark.parametrize("kib", [0, 1, 100])
def test_a_sync_that_is_killed_does_no_harm(tmp_path: Path, kib: int) -> None:
    """Killed at its beginning, or with so much of a new file written, it leaves what the next one makes."""
    folder = tmp_path.resolve()
    archive = an_archive(folder)
    lines = b"".join(event_to_json(an_event(a_recording(), FINAL, hours=900)) + b"\n" for _ in range(4000))
    archive.store.put("journal/days/2026-10-31.jsonl.zst", zstandard.ZstdCompressor().compress(lines))
    archive.publish(a_recording(), FINAL)
    process = start_sync(folder)
    assert process.stdout is not None
    process.stdout.readline()
    new = Path(f"{file_of(folder)}.new")
    while kib and not (new.exists() and new.stat().st_size >= kib << 10) and not rows_in(file_of(folder)):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert rows_in(file_of(folder)) in (0, 4001)
    catalog = a_catalog(archive, folder)
    catalog.sync()
    assert catalog.select() == archive.recordings()
    assert rows_in(file_of(folder)) == 4001
    assert not new.exists()


def rows_in(path: Path) -> int:
    """Return how many recordings are in a catalog's file, 0 while it is being made."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


# -- the command line --------------------------------------------------------------------------------


def test_the_command_line_lists_without_any_catalog(lab: Lab) -> None:
    """In a Python without SQLite the journal is read, with a word at -v; the answer is the same."""
    archive = Archive(LocalStore.from_url(str(lab.store)))
    ids = [archive.publish(each, FINAL).recording.id for each in some_recordings()][::-1]
    usual = lab.list()
    assert [each["id"] for each in usual] == ids
    queries = (["--kind", "script"], ["--status", "interrupted"], ["--name", "etl*", "--limit", "1"])
    answers = [lab.command("list", "--json", *each).stdout for each in queries]
    shown = lab.command("show", ids[2][:20], "--json").stdout
    assert (lab.folder / "catalogs").is_dir()
    shutil.rmtree(lab.folder / "catalogs")
    (lab.folder / "sqlite3.py").write_text("raise ImportError('no SQLite here')")
    lab.environment["PYTHONPATH"] = str(lab.folder)
    assert lab.list() == usual
    assert [lab.command("list", "--json", *each).stdout for each in queries] == answers
    assert lab.command("show", ids[2][:20], "--json").stdout == shown
    assert "no SQLite here" in lab.command("list", "-v").stderr
    assert lab.command("list").stderr == ""
    assert not (lab.folder / "catalogs").exists()
