"""Gather the loose events of a journal by day, and drop those that no reader would ever count.

Any number may do it at once, and each may be killed anywhere: a new file has a name that nobody else
gives, and what it replaces is deleted only after it was stored and read back. So the file with the best
event of a recording that was stored last is deleted by nobody: whoever could has to store a later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

from attrs import define, field, frozen

from profilerkit.archive import Archive
from profilerkit.dayfiles import Line, age_of, load, put_file, slim
from profilerkit.interfaces import ResultStore
from profilerkit.journal import DAYS, rank
from profilerkit.survey import Day, View, survey

LOOSE_FOR = timedelta(days=7)
"""Events stay loose for so long after their day: who looks for what is new lists hours, not days."""
FRESH_FOR = timedelta(hours=1)
"""A file that was just made stays so long: whoever found events gone looks for them in it."""
BATCH_BYTES = 32 << 20
"""So much of a day is in memory at once, and in one file."""


@frozen
class Compacted:
    """What a compaction did."""

    days: int = 0
    copied: int = 0
    """Loose events that are now in files of days."""
    dropped: int = 0
    """Events that no reader would have counted, and copies."""
    files: int = 0


def compact(archive: Archive, now: datetime | None = None) -> Compacted:
    """Move the loose events of days older than a week into files, one or few a day.

    Of each recording a day's file keeps the event that counts. Dropped are also the events of deleted
    recordings, and after a year what says that they were deleted. Events that are damaged or of a newer
    format stay where they are. Raises StoreError when the store fails: what was done until then is good.
    """
    now = now or datetime.now(timezone.utc)
    view = survey(archive.store)
    last = (now - LOOSE_FOR).date().isoformat()
    total = Compacted()
    for name, day in sorted(view.days.items()):
        if name < last:
            done = _compact_day(archive.store, name, day, view, now)
            total = Compacted(
                total.days + (done != Compacted()),
                total.copied + done.copied,
                total.dropped + done.dropped,
                total.files + done.files,
            )
    return total


def _compact_day(store: ResultStore, name: str, day: Day, view: View, now: datetime) -> Compacted:
    """Put together what is small, loose, or mostly dead of one day; large files stay."""
    mature = [each for each in day.files if age_of(each.key) >= FRESH_FOR]
    dead = {each.key for each in mature if view.mostly_dead(each, now)}
    files = [each.key for each in mature if each.key in dead or each.size_bytes < BATCH_BYTES // 2]
    if not day.loose and len(files) < 2 and not dead:
        return Compacted()
    total, batch = Compacted(), _Batch(store, name, view, now)
    for key, lines in load(store, [*files, *sorted(day.loose)]):
        batch.add(key, lines)
        if batch.size_bytes >= BATCH_BYTES:
            total = batch.close(total)
            batch = _Batch(store, name, view, now)
    return batch.close(total)


@define
class _Batch:
    """Some of what there is of a day, and the one file that it becomes."""

    store: ResultStore
    day: str
    view: View
    now: datetime
    keys: list[str] = field(factory=list)
    size_bytes: int = 0
    lines: int = 0
    best: dict[str, Line] = field(factory=dict)
    unreadable: set[bytes] = field(factory=set)

    def add(self, key: str, lines: Sequence[Line]) -> None:
        """Take in what lies under a key, which goes when the batch is stored."""
        self.keys.append(key)
        for each in lines:
            self.lines += 1
            if each.event is None:
                self.unreadable.add(each.data)
                self.size_bytes += len(each.data)
                continue
            known = self.best.get(each.event.recording.id)
            if known is None or _rank(each) > _rank(known):
                each = slim(each)
                self.best[each.event.recording.id] = each  # type: ignore[union-attr]
                self.size_bytes += len(each.data) - (len(known.data) if known else 0)

    def close(self, total: Compacted) -> Compacted:
        """Store the file, look whether it is there, delete what is in it; return the new total."""
        kept = [
            each.data
            for _, each in sorted(self.best.items())
            if each.event is not None and not self.view.is_dead(each.event, self.now)
        ]
        kept += sorted(self.unreadable)
        loose = sum(not key.startswith(DAYS) for key in self.keys)
        if not self.keys or (not loose and len(self.keys) == 1 and len(kept) == self.lines):
            return total
        if kept and not put_file(self.store, self.day, kept):
            return total
        _delete(self.store, self.keys)
        return Compacted(
            total.days,
            total.copied + loose,
            total.dropped + self.lines - len(kept),
            total.files + bool(kept),
        )


def _rank(line: Line) -> tuple[bytes, bytes]:
    """Return what decides which event of a recording counts; copies may differ in what we do not know."""
    assert line.event is not None
    return rank(line.event), line.data


def _delete(store: ResultStore, keys: Iterable[str]) -> None:
    with ThreadPoolExecutor(max(1, store.concurrency)) as pool:
        for _ in pool.map(store.delete, keys):
            pass
