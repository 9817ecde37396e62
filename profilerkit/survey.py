"""Survey a journal: what it has of each day, who was deleted, and what of it this version cannot read."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from attrs import define, field, frozen

from profilerkit.dayfiles import FILE, read_file, read_loose
from profilerkit.errors import FormatError, NotFoundError
from profilerkit.interfaces import ResultStore
from profilerkit.journal import DAYS, order, told_by
from profilerkit.keys import escape
from profilerkit.model import Event, EventKind

TOMBSTONE_FOR = timedelta(days=365)
"""So long a deleted recording is remembered: a host that returns later with its spool revives it."""
DAY = slice(len("journal/"), len("journal/2026-11-14"))
"""Where the day stands in the key of a loose event."""

log = logging.getLogger("profilerkit.archive")


@define
class Day:
    """What there is of one day."""

    files: list[DayFile] = field(factory=list)
    loose: list[str] = field(factory=list)


@frozen
class DayFile:
    """A file of a day: which recordings its events are of."""

    key: str
    size_bytes: int
    """Uncompressed."""
    living: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    deleted_at: tuple[datetime, ...] = ()


@define
class View:
    """What is known of the whole journal before anything is dropped."""

    days: dict[str, Day] = field(factory=dict)
    tombs: set[str] = field(factory=set)
    """Recordings of which a file of a day says that they were deleted."""
    living: set[str] = field(factory=set)
    """Recordings of which there is any other event in a file of a day."""
    loose: set[str] = field(factory=set)
    """Escaped ids of recordings with a loose event."""
    whole: bool = True
    """Whether everything in the files of days could be read."""
    newer: bool = False
    """Whether anything in them is of a newer format."""

    def is_dead(self, event: Event, now: datetime) -> bool:
        """Tell whether nothing changes for any reader when this event is gone."""
        if event.kind is not EventKind.DELETED:
            return event.recording.id in self.tombs
        return self.is_forgotten(event.recording.id, event.written_at, now)

    def is_forgotten(self, recording_id: str, deleted_at: datetime, now: datetime) -> bool:
        """Tell whether a tombstone has had its time, with nothing left that it could be needed for."""
        known = recording_id in self.living or escape(recording_id, 64) in self.loose
        return self.whole and not known and now - deleted_at > TOMBSTONE_FOR

    def mostly_dead(self, file: DayFile, now: datetime) -> bool:
        """Tell whether at least half of a file's events could go."""
        dead = sum(each in self.tombs for each in file.living)
        dead += sum(map(self.is_forgotten, file.deleted, file.deleted_at, [now] * len(file.deleted)))
        return dead > 0 and 2 * dead >= len(file.living) + len(file.deleted)


def survey(store: ResultStore) -> View:
    """Return what there is in the journal; files of days are read, loose events are not."""
    view = View()
    files: dict[str, list[str]] = {}
    for found in store.list("journal/"):
        if (told := told_by(found.key)) is not None:
            view.days.setdefault(found.key[DAY], Day()).loose.append(found.key)
            view.loose.add(told[0])
        elif match := FILE.fullmatch(found.key):
            files.setdefault(match["day"], []).append(found.key)
        elif found.key.startswith(DAYS):
            view.whole = False
    for name, keys in files.items():
        found_here = [each for key in sorted(keys) if (each := _surveyed(store, key, view)) is not None]
        view.days.setdefault(name, Day()).files = found_here
    return view


def _surveyed(store: ResultStore, key: str, view: View) -> DayFile | None:
    try:
        lines = read_file(store, key)
    except NotFoundError:  # another compaction is at work: what it made of it was not listed
        view.whole = False
        return None
    except FormatError as error:
        log.warning("%s stays as it is. %s", key, error)
        view.whole = False
        return None
    events = [each.event for each in lines if each.event is not None]
    view.whole &= len(events) == len(lines)
    view.newer |= any(each.newer for each in lines)
    deleted = [each for each in events if each.kind is EventKind.DELETED]
    living = tuple(each.recording.id for each in events if each.kind is not EventKind.DELETED)
    view.tombs.update(each.recording.id for each in deleted)
    view.living.update(living)
    return DayFile(
        key,
        sum(len(each.data) for each in lines),
        living,
        tuple(each.recording.id for each in deleted),
        tuple(each.written_at for each in deleted),
    )


def unreadable_loose(store: ResultStore, view: View, events: Iterable[Event]) -> tuple[set[str], bool]:
    """Return the escaped ids of recordings that the loose events cannot tell of, and whether any is newer.

    `events` are those that count, read after the survey: only what is above them, or in none of them,
    has to be read again.
    """
    known = {escape(each.recording.id, 64): order(each.kind) for each in events}
    tombs = {escape(each, 64) for each in view.tombs}
    unknown: dict[str, list[tuple[int, str]]] = {}
    for key in (key for day in view.days.values() for key in day.loose):
        told = told_by(key)
        assert told is not None
        recording, place = told[0], order(told[1])
        if recording not in tombs and place > known.get(recording, -1):
            unknown.setdefault(recording, []).append((place, key))

    def problem(found: list[tuple[int, str]]) -> FormatError | None:
        problems = []
        for _, key in sorted(found, reverse=True):
            try:
                read_loose(store, key)
            except NotFoundError:  # compacted, or deleted, meanwhile
                return None
            except FormatError as error:
                problems.append(error)
            else:
                break
        return min(problems, key=lambda each: each.mend is None, default=None)

    with ThreadPoolExecutor(max(1, store.concurrency)) as pool:
        problems = dict(zip(unknown, pool.map(problem, unknown.values()), strict=True))
    bad = {name: each for name, each in problems.items() if each is not None}
    return set(bad), any(each.mend is not None for each in bad.values())
