"""Check that compaction changes no list: whatever it meets, whoever else is at it, wherever it is killed."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from profilerkit import compaction, dayfiles
from profilerkit.archive import Archive
from profilerkit.codec import event_to_json
from profilerkit.compaction import Compacted, compact
from profilerkit.errors import NotFoundError, StoreError
from profilerkit.interfaces import ResultStore, StoredObject
from profilerkit.journal import event_key, merge
from profilerkit.keys import recording_key
from profilerkit.model import Event, EventKind, Status
from profilerkit.stores import open_store
from tests.store import by_the_docs
from tests.store.samples import START, a_recording, an_archive

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
OLD = NOW - timedelta(days=20)
IDS = [f"01a204f0-05da-7b3d-8f29-{number:012x}" for number in range(4)]


class DictStore(ResultStore):
    """A store in a dictionary, which any number of threads may share."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects = {} if objects is None else objects

    @classmethod
    def from_url(cls, url: str) -> DictStore:
        """Return an empty one."""
        return cls()

    def put(self, key: str, data: Path | bytes) -> None:
        """Store bytes."""
        self.objects[key] = data if isinstance(data, bytes) else data.read_bytes()

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open bytes."""
        if key not in self.objects:
            raise NotFoundError(f"There is no {key}.")
        return contextlib.closing(io.BytesIO(self.objects[key]))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield what was there when the listing began."""
        found = [(key, len(data)) for key, data in list(self.objects.items()) if key.startswith(prefix)]
        return iter([StoredObject(key, size, None) for key, size in found])

    def delete(self, prefix: str) -> None:
        """Delete an object or a folder."""
        for key in list(self.objects):
            if key == prefix or key.startswith(f"{prefix}/"):
                self.objects.pop(key, None)


class Killed(BaseException):
    """What ends one that is killed: nobody catches it."""


class Turns:
    """Let several take one step at a time, in a given order; who is done, or out of turns, runs free."""

    def __init__(self, order: list[int], players: int) -> None:
        self.order = order
        self.playing = set(range(players))
        self.condition = threading.Condition()

    def take(self, me: int) -> None:
        """Wait for our turn."""
        with self.condition:
            self.condition.wait_for(lambda: self._next() in (me, None), timeout=30)
            if self.order:
                self.order.pop(0)
            self.condition.notify_all()

    def leave(self, me: int) -> None:
        """Hold nobody up any more."""
        with self.condition:
            self.playing.discard(me)
            self.condition.notify_all()

    def _next(self) -> int | None:
        while self.order and self.order[0] not in self.playing:
            self.order.pop(0)
        return self.order[0] if self.order else None


class TurnStore(DictStore):
    """A player's own access to a store: each operation is one step, and one of them its last."""

    def __init__(self, objects: dict[str, bytes], turns: Turns, me: int, steps: int | None) -> None:
        super().__init__(objects)
        self.turns, self.me, self.steps = turns, me, steps

    def _step(self) -> None:
        self.turns.take(self.me)
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                raise Killed

    def put(self, key: str, data: Path | bytes) -> None:
        """Take a step."""
        self._step()
        super().put(key, data)

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Take a step."""
        self._step()
        return super().open(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Take a step."""
        self._step()
        return super().list(prefix)

    def delete(self, prefix: str) -> None:
        """Take a step."""
        self._step()
        super().delete(prefix)


def an_event(
    number: int,
    kind: EventKind = EventKind.FINAL,
    *,
    recording: int = 0,
    revision: int = 1,
    written_at: datetime = OLD,
) -> Event:
    """Return an event of one of our recordings."""
    found = a_recording(id=IDS[recording], revision=revision, parent_id=None)
    event_id = f"01a204f0-05da-7b3d-9f29-{number:012x}"
    return Event(event_id, kind, evolve(found, roots={}, environment={}), recording_key(found), written_at)


def settled(archive: Archive, now: datetime = NOW) -> Archive:
    """Compact as often as there is something to do, as if each time an hour had passed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "FRESH_FOR", timedelta(0))
        for _ in range(6):
            if compact(archive, now) == Compacted():
                return archive
    raise AssertionError("it never comes to rest")


def days_of(archive: Archive) -> list[str]:
    """Return the keys of the files of days."""
    return sorted(each.key for each in archive.store.list("journal/days/"))


def loose_of(archive: Archive) -> list[str]:
    """Return the keys of the loose events."""
    return sorted(each.key for each in archive.store.list("journal/") if "/days/" not in each.key)


def test_old_events_go_into_a_file_of_their_day(tmp_path: Path) -> None:
    """What is older than a week is one file a day, what is younger stays; the list is the same."""
    archive = an_archive(tmp_path)
    for number in range(40):
        archive.journal.append(
            an_event(number, recording=number % 4, written_at=NOW - timedelta(hours=6 * number))
        )
    listed, events = archive.recordings(), {each.event_id for each in archive.events()}
    done = compact(archive, NOW)
    assert (done.days, done.files, len(days_of(archive))) == (3, 3, 3)
    assert [key[13:23] for key in days_of(archive)] == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert all(key[8:18] >= "2026-11-23" for key in loose_of(archive))
    assert archive.recordings() == listed
    assert {each.event_id for each in archive.events()} == events
    assert compact(archive, NOW) == Compacted()
    assert [each["event_id"] for each in by_the_docs.recordings(tmp_path / "store")] == [
        each.event_id for each in listed
    ]


def test_what_does_not_count_is_dropped(tmp_path: Path) -> None:
    """Of a recording a day keeps the event that counts, byte for byte, fields of later versions too."""
    archive = an_archive(tmp_path)
    for revision in range(5):
        archive.journal.append(an_event(revision, EventKind.RUNNING, revision=revision))
    final = an_event(9, revision=6)
    later = event_to_json(final)[:-1] + b',"of_a_later_version":[1]}'
    archive.store.put(event_key(final), later)
    assert compact(archive, NOW) == Compacted(days=1, copied=6, dropped=5, files=1)
    (key,) = days_of(archive)
    with archive.store.open(key) as stream:
        assert zstandard.ZstdDecompressor().stream_reader(stream).read() == later + b"\n"
    assert archive.recordings() == [final]


def test_late_events_are_merged_into_their_day(tmp_path: Path) -> None:
    """A day that was compacted and gets events again is one file again, whatever its name was."""
    archive = an_archive(tmp_path)
    first = an_event(1, recording=1)
    day = zstandard.ZstdCompressor().compress(event_to_json(first) + b"\n")
    archive.store.put(f"journal/days/{OLD:%Y-%m-%d}.jsonl.zst", day)
    second = an_event(2, recording=2)
    archive.journal.append(second)
    archive.journal.append(an_event(0, EventKind.RUNNING, recording=1))
    assert compact(archive, NOW) == Compacted(days=1, copied=2, dropped=1, files=1)
    assert len(days_of(archive)) == 1
    assert loose_of(archive) == []
    assert archive.recordings() == [second, first]
    third = an_event(3, recording=3)
    archive.journal.append(third)
    compact(archive, NOW)
    assert len(days_of(archive)) == 2  # who was just sent to the first finds it
    assert len(days_of(settled(archive))) == 1
    assert archive.recordings() == [third, second, first]


def test_what_cannot_be_read_stays_loose(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Damaged events, newer ones, those whose key lies and what is no event of ours are not touched."""
    archive = an_archive(tmp_path)
    good = an_event(1)
    archive.journal.append(good)
    folder = f"journal/{OLD:%Y-%m-%dT%H}"
    odd = {
        f"{folder}/{'0' * 36}-damaged-final.json": b"damaged",
        f"{folder}/{'0' * 36}-newer-final.json": event_to_json(good).replace(b'"format":1', b'"format":2'),
        f"{folder}/{'0' * 36}-another-final.json": event_to_json(good),
        f"{folder}/notes.txt": b"mine",
        "journal/days/notes.txt": b"mine",
        f"journal/days/{OLD:%Y-%m-%d}.damaged.jsonl.zst": b"not zstd",
    }
    for key, data in odd.items():
        archive.store.put(key, data)
    compact(archive, NOW)
    assert archive.recordings() == [good]
    assert "newer-final.json stays as it is. It has format 2" in caplog.text
    for key, data in odd.items():
        with archive.store.open(key) as stream:
            assert stream.read() == data
    assert set(loose_of(archive)) == {key for key in odd if "/days/" not in key}


def test_lines_of_a_newer_format_are_kept_when_a_day_is_merged(tmp_path: Path) -> None:
    """A day written by a newer version keeps, line by line, what this one cannot read."""
    archive = an_archive(tmp_path)
    newer = event_to_json(an_event(1)).replace(b'"format":1', b'"format":2')
    whole = zstandard.ZstdCompressor().compress(newer + b"\ndamaged\n" + event_to_json(an_event(2)))
    for name in ("a", "b"):
        archive.store.put(f"journal/days/{OLD:%Y-%m-%d}.{name}.jsonl.zst", whole)
    compact(archive, NOW)
    (key,) = days_of(archive)
    with archive.store.open(key) as stream:
        lines = zstandard.ZstdDecompressor().stream_reader(stream).read().splitlines()
    assert lines == [event_to_json(an_event(2)), *sorted([newer, b"damaged"])]


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_day_that_is_cut_is_left_alone(tmp_path: Path, cut: int) -> None:
    """A damaged file of a day is neither merged nor deleted: somebody may still mend it."""
    archive = an_archive(tmp_path)
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(event_to_json(an_event(1)))
    key = f"journal/days/{OLD:%Y-%m-%d}.jsonl.zst"
    archive.store.put(key, whole[:-cut])
    archive.journal.append(an_event(2, recording=2))
    compact(archive, NOW)
    with archive.store.open(key) as stream:
        assert stream.read() == whole[:-cut]
    assert archive.recordings()[0].event_id == an_event(2).event_id


def test_deleted_recordings_are_forgotten_after_a_year(tmp_path: Path) -> None:
    """Their other events go first, what says that they were deleted a year later, and nothing revives."""
    archive = an_archive(tmp_path)
    kept = an_event(9, recording=3)
    for event in (an_event(1), an_event(2, recording=2), kept):
        archive.journal.append(event)
    compact(archive, NOW)
    for number, recording in ((3, 0), (4, 2)):
        archive.journal.append(an_event(number, EventKind.DELETED, recording=recording, written_at=NOW))
    soon = NOW + timedelta(days=10)
    assert settled(archive, soon).recordings() == [kept]
    text = b"".join(line.data for key in days_of(archive) for line in dayfiles.read_file(archive.store, key))
    assert text.count(b'"kind":"final"') == 1
    assert text.count(b'"kind":"deleted"') == 2
    assert b"peak_rss_bytes" not in text.partition(b'"kind":"deleted"')[2].partition(b'"kind":"final"')[0]
    late = an_event(5, recording=2, written_at=soon)
    archive.journal.append(late)
    settled(archive, NOW + timedelta(days=380))
    text = b"".join(line.data for key in days_of(archive) for line in dayfiles.read_file(archive.store, key))
    assert archive.recordings() == [kept]
    assert IDS[0].encode() not in text
    assert IDS[2].encode() not in text or b'"kind":"deleted"' in text


def test_a_large_day_becomes_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of a day than a limit is in memory at once, and what is large enough is not written again."""
    monkeypatch.setattr(compaction, "BATCH_BYTES", 20_000)
    archive = an_archive(tmp_path)
    for number in range(60):
        event = an_event(number)
        recording = evolve(event.recording, id=f"01a204f0-05da-7b3d-8f29-{number:012x}")
        archive.journal.append(evolve(event, recording=recording, key=recording_key(recording)))
    listed = archive.recordings()
    assert compact(archive, NOW).files == len(days_of(archive)) > 3
    assert archive.recordings() == listed
    before = days_of(archive)
    assert len(days_of(settled(archive))) <= len(before)
    assert archive.recordings() == listed


def test_a_store_that_loses_what_it_is_given_loses_no_event() -> None:
    """What cannot be read back is not believed: the loose events stay."""

    class Forgetful(DictStore):
        def put(self, key: str, data: Path | bytes) -> None:
            super().put(key, b"" if "/days/" in key else data)

    archive = Archive(Forgetful())
    archive.journal.append(an_event(1))
    with pytest.raises(StoreError, match="did not keep"):
        compact(archive, NOW)
    assert archive.recordings() == [an_event(1)]


events = st.builds(
    an_event,
    st.integers(0, 200),
    st.sampled_from(EventKind),
    recording=st.integers(0, 3),
    revision=st.integers(0, 3),
    written_at=st.integers(0, 30).map(lambda days: NOW - timedelta(days=days)),
)


def some_events(least: int, most: int) -> st.SearchStrategy[list[Event]]:
    """Return lists of events of which each has its own id, as all events have."""
    return st.lists(events, min_size=least, max_size=most, unique_by=lambda event: event.event_id)


@given(some_events(0, 20), st.lists(st.integers(0, 20), max_size=4), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_list_is_that_of_all_events_in_any_order(
    given_events: list[Event], compactions: list[int], random: object
) -> None:
    """Events in any order, twice, late, of wrong clocks, compacted in between: one list."""
    archive = Archive(DictStore())
    shuffled = [*given_events, *given_events[:5]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for number, event in enumerate(shuffled):
        archive.journal.append(event)
        if number in compactions:
            compact(archive, NOW)
            assert archive.recordings() == merge(shuffled[: number + 1])
    assert settled(archive).recordings() == merge(shuffled)


@given(
    some_events(3, 12),
    st.lists(st.integers(0, 1), max_size=80),
    st.tuples(*[st.none() | st.integers(0, 40)] * 2),
)
@settings(max_examples=60, deadline=None)
def test_two_at_once_in_any_interleaving_killed_anywhere(
    given_events: list[Event], order: list[int], kills: tuple[int | None, int | None]
) -> None:
    """Step by step in any order, either of them killed at any step: no event that counts is ever missing."""
    objects: dict[str, bytes] = {}
    archive = Archive(DictStore(objects))
    for event in given_events[:-2]:
        archive.journal.append(event)
    compact(archive, NOW)
    for event in given_events[-2:]:
        archive.journal.append(event)
    expected = merge(given_events)
    turns = Turns(list(order), 2)

    def play(me: int) -> None:
        with contextlib.suppress(Killed):
            compact(Archive(TurnStore(objects, turns, me, kills[me])), NOW)
        turns.leave(me)

    players = [threading.Thread(target=play, args=(me,)) for me in range(2)]
    for each in players:
        each.start()
    for each in players:
        each.join()
    assert archive.recordings() == expected
    assert settled(archive).recordings() == expected


@given(some_events(3, 12), st.lists(st.integers(0, 2), max_size=120))
@settings(max_examples=60, deadline=None)
def test_a_reader_meanwhile_sees_the_same_list(given_events: list[Event], order: list[int]) -> None:
    """Who lists while two compact, in any interleaving, misses nothing."""
    objects: dict[str, bytes] = {}
    archive = Archive(DictStore(objects))
    for event in given_events:
        archive.journal.append(event)
    turns = Turns(list(order), 3)
    seen: list[list[Event]] = []

    def play(me: int) -> None:
        own = Archive(TurnStore(objects, turns, me, None))
        if me == 2:
            seen.append(own.recordings())
        else:
            compact(own, NOW)
        turns.leave(me)

    players = [threading.Thread(target=play, args=(me,)) for me in range(3)]
    for each in players:
        each.start()
    for each in players:
        each.join()
    assert seen == [merge(given_events)]


KILL = """
import json, os, shutil, sys
from datetime import datetime
from pathlib import Path
from profilerkit.archive import Archive
from profilerkit import compaction
from profilerkit.compaction import compact
from profilerkit.interfaces import ResultStore
from profilerkit.localstore import LocalStore

class Dying(ResultStore):
    def __init__(self, store, left):
        self.store, self.left = store, left
    def from_url(url): raise OSError
    def step(self):
        self.left -= 1
        if self.left < 0:
            os._exit(9)
    def put(self, key, data):
        self.step()
        self.store.put(key, data)
    def open(self, key):
        self.step()
        return self.store.open(key)
    def list(self, prefix):
        self.step()
        return self.store.list(prefix)
    def delete(self, prefix):
        self.step()
        self.store.delete(prefix)

if sys.argv[3] == "at once":
    compaction.FRESH_FOR *= 0
template, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
def listed(archive):
    return [(each.event_id, each.recording.revision) for each in archive.recordings()]
expected = listed(Archive(LocalStore(template)))
wrong, steps = [], 0
while True:
    copy = template.with_name("copy")
    shutil.copytree(template, copy)
    pid = os.fork()
    if pid == 0:
        compact(Archive(Dying(LocalStore(copy), steps)), now)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    archive = Archive(LocalStore(copy))
    after = [listed(archive)]
    compact(archive, now)
    after.append(listed(archive))
    if after != [expected, expected]:
        wrong.append((steps, after))
    shutil.rmtree(copy)
    if status == 0:
        break
    assert os.waitstatus_to_exitcode(status) == 9
    steps += 1
print(json.dumps({"steps": steps, "wrong": wrong, "expected": len(expected)}))
"""


@pytest.mark.parametrize("when", ["at once", "later"])
def test_killed_at_every_step(tmp_path: Path, when: str) -> None:
    """A process that is really killed at any step of a compaction leaves a list as it was, and no knot."""
    archive = an_archive(tmp_path)
    for number in range(4):
        archive.journal.append(an_event(number, recording=number))
        archive.journal.append(an_event(20 + number, EventKind.RUNNING, recording=number, revision=0))
    compact(archive, NOW)
    for number in range(4):
        archive.journal.append(an_event(30 + number, recording=number, revision=2))
        archive.journal.append(
            an_event(40 + number, recording=number, revision=3, written_at=OLD + timedelta(days=number))
        )
    archive.journal.append(an_event(50, EventKind.DELETED, recording=2, written_at=OLD + timedelta(days=1)))
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(tmp_path / "store"), NOW.isoformat(), when],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["steps"] > 20
    assert found["expected"] == 3


COMPACT = """
import sys
from datetime import datetime, timedelta
from profilerkit.archive import Archive
from profilerkit.compaction import compact
from profilerkit.stores import open_store
archive = Archive(open_store(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(compact(archive, datetime.fromisoformat(sys.argv[2])).copied)
"""
READ = """
import json, sys, threading
from profilerkit.archive import Archive
from profilerkit.stores import open_store
archive = Archive(open_store(sys.argv[1]))
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), sys.stdin.readline(), done.set()), daemon=True).start()
lists = {tuple(each.event_id for each in archive.recordings())}
print("ready", flush=True)
rounds = 0
while True:
    last = done.is_set()
    lists.add(tuple(each.event_id for each in archive.recordings()))
    rounds += 1
    if last:
        break
print(json.dumps({"lists": len(lists), "rounds": rounds}))
"""


def race(url: str, events_a_day: int, days: int) -> None:
    """Let two processes compact one store at once while a third reads; the list is always the same."""
    archive = Archive(open_store(url))
    for number in range(events_a_day * days):
        event = an_event(number, written_at=OLD - timedelta(days=number % days))
        recording = evolve(
            event.recording, id=f"01a204f0-05da-7b3d-8f29-{number:012x}", status=Status.COMPLETE
        )
        archive.journal.append(evolve(event, recording=recording, key=recording_key(recording)))
    expected = archive.recordings()

    def start(code: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, url, NOW.isoformat()]
        return subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=ROOT)

    with start(READ) as reader, start(COMPACT) as one, start(COMPACT) as other:
        for each in (reader, one, other):
            assert each.stdout is not None and each.stdin is not None
            assert each.stdout.readline() == "ready\n"
        for each in (reader, one, other):
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        assert one.wait(120) == other.wait(120) == 0
        found = json.loads(reader.communicate("\n", timeout=120)[0])
    assert found["lists"] == 1
    assert archive.recordings() == expected
    assert settled(archive).recordings() == expected
    assert len(days_of(archive)) == days
    assert loose_of(archive) == []


def test_two_processes_and_a_reader(tmp_path: Path) -> None:
    """Two that compact a folder at once, and one that lists meanwhile."""
    race(str(tmp_path / "store"), 40, 3)


@pytest.mark.slow
def test_two_processes_and_a_reader_on_s3(s3_bucket: str) -> None:
    """The same in a bucket."""
    race(f"s3://{s3_bucket}/x", 10, 2)


def test_the_week_is_counted_in_days_of_the_journal() -> None:
    """An event of the seventh day before stays loose, one of the eighth does not."""
    archive = Archive(DictStore())
    for number, days in enumerate((7, 8)):
        archive.journal.append(an_event(number, recording=number, written_at=START - timedelta(days=days)))
    assert compact(archive, START).copied == 1
    assert [key[13:23] for key in days_of(archive)] == [f"{START - timedelta(days=8):%Y-%m-%d}"]
