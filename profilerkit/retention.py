"""Choose the recordings of a store that have had their time, and delete them with what nobody refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone

from attrs import define, field, frozen

from profilerkit.archive import Archive, effective_status
from profilerkit.errors import FormatError
from profilerkit.interfaces import StoredObject
from profilerkit.keys import escape
from profilerkit.model import Event, EventKind, Recording, Status
from profilerkit.survey import survey, unreadable_loose

RESOURCES = "resources"
PER_RUN = frozenset({"run_id", "try_number"})
"""Names that tell one run of a subject from the next: the last N are counted without them."""
SILENT_FOR = timedelta(days=1)
"""A recording without an end goes only when it has given no sign of life for so long, and not before
its host could have come back; and what no recording refers to only when it is as old."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_KEPT_PARTS = ("raw", "readings", "reports")
_REPORT = re.compile(r"[^/]+/reports/(?P<revision>\d{1,18})-[^/]+/[^/]+")
_READING = re.compile(r"[^/]+/readings/[^/]*-(?P<revision>\d{1,18})\.json\.gz")


@frozen
class Rules:
    """Which recordings may go: those that every rule which is set lets go; none without any."""

    older_than_seconds: float | None = None
    """Since they ended."""
    resources_older_than_seconds: float | None = None
    """The same for recordings of `resources` alone; None keeps them for ever."""
    keep_last: int | None = None
    """So many of each subject stay."""
    since_arrival: bool = False
    """Count from when they came into the store, if that was later: what was recovered or imported."""


@frozen
class Doomed:
    """One folder that is to go, of a recording or of none."""

    key: str
    size_bytes: int
    event: Event | None = None


@frozen
class Plan:
    """What is to be deleted."""

    recordings: tuple[Doomed, ...] = ()
    orphans: tuple[Doomed, ...] = ()
    """Folders that no recording refers to."""
    stale: tuple[Doomed, ...] = ()
    """Reports and readings of an older revision of a recording that stays."""

    @property
    def size_bytes(self) -> int:
        """Return what all of it holds in the store."""
        return sum(each.size_bytes for each in self)

    def __iter__(self) -> Iterator[Doomed]:
        """Return everything, in the order in which it goes."""
        return iter((*self.recordings, *self.orphans, *self.stale))


@define
class _Folder:
    """What lies in the folder of a recording."""

    size_bytes: int = 0
    newest: datetime | None = None
    dated: bool = True
    made: list[StoredObject] = field(factory=list)
    """Its reports and readings."""


def plan(archive: Archive, rules: Rules, now: datetime | None = None) -> Plan:
    """Return what is to go by these rules, recordings newest first.

    Raises FormatError when anything in the journal is of a newer format: what this version cannot read
    it cannot judge. The folders are listed before the journal: what is published meanwhile is known.
    """
    now = now or datetime.now(timezone.utc)
    folders = _folders(archive)
    view = survey(archive.store)
    events = archive.recordings()
    unreadable, newer = unreadable_loose(archive.store, view, events)
    if view.newer or newer:
        raise FormatError(
            "The store has recordings of a newer format: nothing was deleted.", "Install a newer profilerkit."
        )
    doomed = [each for each in due(events, rules, now) if escape(each.recording.id, 64) not in unreadable]
    gone = {each.key for each in doomed}
    living = {each.key: each for each in events}
    return Plan(
        tuple(Doomed(each.key, folders.get(each.key, _Folder()).size_bytes, each) for each in doomed),
        tuple(_orphans(folders, set(living), unreadable, now)) if view.whole else (),
        tuple(
            each
            for key, event in living.items()
            if key in folders and key not in gone
            for each in _stale(event, folders[key], now)
        ),
    )


def prune(archive: Archive, plan: Plan) -> Iterator[Doomed]:
    """Delete what was planned and yield each when it is gone.

    Of a recording first an event that says so is written. One that has given a sign of life since
    stays. Raises StoreError when the store fails; what is gone until then is gone.
    """
    for each in plan:
        if each.event is None:
            archive.store.delete(each.key)
        elif each.event.recording.status is Status.RUNNING and not _is_as_it_was(archive, each.event):
            continue
        else:
            archive.delete(each.event)
        yield each


def due(events: Iterable[Event], rules: Rules, now: datetime) -> list[Event]:
    """Return the recordings that may go: of ids that we make, ended or silent, and let go by every rule."""
    by_age = rules.older_than_seconds is not None or rules.resources_older_than_seconds is not None
    if not by_age and rules.keep_last is None:
        return []
    ours = [each for each in events if _ID.fullmatch(each.recording.id)]
    kept = _last(ours, rules.keep_last) if rules.keep_last is not None else set()
    return [
        each
        for each in ours
        if each.recording.id not in kept and _is_over(each, now) and (not by_age or _is_old(each, rules, now))
    ]


def _is_old(event: Event, rules: Rules, now: datetime) -> bool:
    alone = is_resources_alone(event.recording)
    limit = rules.resources_older_than_seconds if alone else rules.older_than_seconds
    since = _last_sign(event)
    if rules.since_arrival:
        since = max(since, event.written_at)
    return limit is not None and (now - since).total_seconds() > limit


def is_resources_alone(recording: Recording) -> bool:
    """Tell whether nothing was recorded but `resources`, which is small and worth keeping longer."""
    left = {
        each.profiler for each in recording.captures if each.status not in (Status.SKIPPED, Status.FAILED)
    }
    return left == {RESOURCES}


def _is_over(event: Event, now: datetime) -> bool:
    """Tell whether nobody will add to a recording any more."""
    if event.recording.status is not Status.RUNNING:
        return True
    status, _, _ = effective_status(event, now)
    seen = max(_last_sign(event), event.written_at)
    return status is not Status.RUNNING and now - seen > SILENT_FOR


def _last_sign(event: Event) -> datetime:
    recording = event.recording
    times = (recording.started_at, recording.alive_at, recording.ended_at)
    return max(each for each in times if each is not None)


def _last(events: Sequence[Event], count: int) -> set[str]:
    """Return the ids of the last recordings of each subject; those of child processes go with the root's."""
    parents = {each.recording.id: each.recording.parent_id for each in events}
    parents = {each: None if parent == each else parent for each, parent in parents.items()}
    counts: dict[tuple[object, ...], int] = {}
    kept = set()
    for each in sorted(events, key=lambda event: event.recording.id, reverse=True):
        if parents[each.recording.id] in parents:
            continue
        subject = each.recording.subject
        names = tuple((name, value) for name, value in subject.names.items() if name not in PER_RUN)
        counts[subject.kind, names] = counts.get((subject.kind, names), 0) + 1
        if counts[subject.kind, names] <= count:
            kept.add(each.recording.id)
    return {each for each in parents if _root(each, parents) in kept}


def _root(recording_id: str, parents: dict[str, str | None]) -> str:
    seen = {recording_id}
    while (parent := parents[recording_id]) in parents and parent not in seen:
        assert parent is not None
        seen.add(parent)
        recording_id = parent
    return recording_id


def _is_as_it_was(archive: Archive, event: Event) -> bool:
    found = archive.journal.current(event.recording.id)
    return any(each.event_id == event.event_id for each in found)


def _folders(archive: Archive) -> dict[str, _Folder]:
    """Return what lies in each folder of a recording; what is not clearly in one is not ours."""
    folders: dict[str, _Folder] = {}
    for found in archive.store.list("recordings/"):
        key = folder_of(found.key)
        if key is None:
            continue
        folder = folders.setdefault(key, _Folder())
        folder.size_bytes += found.size_bytes
        if found.modified_at is None:
            folder.dated = False
        elif folder.newest is None or found.modified_at > folder.newest:
            folder.newest = found.modified_at
        if found.key[len(key) + 1 :].split("/")[1:2] in (["reports"], ["readings"]):
            folder.made.append(found)
    return folders


def folder_of(key: str) -> str | None:
    """Return the folder of the recording that an object belongs to; None where that is not sure."""
    parts = key.split("/")
    places = [
        place
        for place in range(2, len(parts) - 1)
        if _ID.fullmatch(parts[place])
        and (
            parts[place + 1 :] == ["recording.json"]
            or (len(parts) > place + 3 and parts[place + 2] in _KEPT_PARTS)
        )
    ]
    return "/".join(parts[: places[0] + 1]) if len(places) == 1 else None


def _orphans(
    folders: dict[str, _Folder], living: set[str], unreadable: set[str], now: datetime
) -> Iterator[Doomed]:
    """Yield the folders that no event refers to: of a killed ship, or of one that was late.

    They have to be a day old: the files of a recording are stored before its first event.
    """
    for key, folder in sorted(folders.items()):
        if key in living or key.rpartition("/")[2] in unreadable:
            continue
        if folder.dated and folder.newest is not None and now - folder.newest > SILENT_FOR:
            yield Doomed(key, folder.size_bytes)


def _stale(event: Event, folder: _Folder, now: datetime) -> Iterator[Doomed]:
    """Yield reports and readings of an earlier revision: nobody asks for them any more."""
    if event.kind is not EventKind.FINAL:
        return
    for found in folder.made:
        path = found.key[len(event.key) + 1 :]
        match = _REPORT.fullmatch(path) or _READING.fullmatch(path)
        old = found.modified_at is not None and now - found.modified_at > SILENT_FOR
        if match is not None and int(match["revision"]) < event.recording.revision and old:
            yield Doomed(found.key, found.size_bytes)
