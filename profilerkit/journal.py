"""Write and read the journal of a store: one event for each thing that happened to a recording."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import BinaryIO, TypeVar

import zstandard
from attrs import evolve, frozen

from profilerkit.codec import event_from_json, event_to_json, format_time
from profilerkit.errors import FormatError, NotFoundError
from profilerkit.interfaces import ResultStore, StoredObject
from profilerkit.keys import escape
from profilerkit.model import Event, EventKind, Recording

T = TypeVar("T", str, "str | None")
E = TypeVar("E")

DAYS = "journal/days/"
EVENT_BYTES = 4 << 20
"""A larger event, or line of a day, is damaged."""
DAY_BYTES = 1 << 30
"""More of a compacted day, uncompressed, is not read."""
PIECE_BYTES = 1 << 17
"""Of a day, uncompressed, that are looked at at once."""
BATCH = 256
"""So many events are asked for at once from a store that several threads read faster."""
TEXT_LENGTH = 2000
MOST_TEXTS = 100
MOST_FILES = 1000
MOST_NUMBERS = 1000
"""What an event tells of a recording at most; `recording.json` has everything."""
TOLD_OF_ENVIRONMENT = ("python",)
"""What of the environment lists and trends need: which Python it was."""
TOLD = 5
"""So many events that cannot be read are named in the log, the rest is counted."""
HIGHEST_REVISION = (1 << 63) - 1

_LOOSE = re.compile(
    r"journal/(?P<hour>\d{4}-\d\d-\d\dT\d\d)/(?P<event>[0-9a-f-]{36})-(?P<recording>.+)"
    r"-(?P<kind>running|final|deleted)\.json"
)
_DAY = re.compile(r"journal/days/[^/]+\.jsonl\.zst")
_ORDER = {EventKind.RUNNING: 0, EventKind.FINAL: 1, EventKind.DELETED: 2}

log = logging.getLogger("profilerkit.archive")


def event_key(event: Event) -> str:
    """Return the key of a new event: by the UTC hour of its writing."""
    name = f"{event.event_id}-{escape(event.recording.id, 64)}-{event.kind.value}.json"
    return f"journal/{format_time(event.written_at)[:13]}/{name}"


def merge(events: Iterable[Event]) -> list[Event]:
    """Return for each recording the event that counts, newest recording first, deleted ones left out.

    Deleted wins over final over running, then the higher revision, the later writing, the higher event
    id: order, repetition and late arrival do not matter.
    """
    latest: dict[str, Event] = {}
    for event in events:
        known = latest.get(event.recording.id)
        if known is None or rank(event) > rank(known):
            latest[event.recording.id] = event
    kept = (event for event in latest.values() if event.kind is not EventKind.DELETED)
    return sorted(kept, key=lambda event: event.recording.id, reverse=True)


def rank(event: Event) -> bytes:
    """Return what is the higher, byte by byte, the later an event counts; databases compare it too."""
    revision = min(max(0, event.recording.revision), HIGHEST_REVISION)
    head = f"{_ORDER[event.kind]} {revision:019} {format_time(event.written_at)} "
    return head.encode("ascii") + event.event_id.encode("utf-8", "surrogatepass")


def order(kind: EventKind) -> int:
    """Return the place of a kind of event: one of a higher place always counts more."""
    return _ORDER[kind]


def version(day: StoredObject) -> str:
    """Return a name for what is in a compacted day now: late events may be added to it."""
    return f"{day.key}@{day.size_bytes}@{'' if day.modified_at is None else format_time(day.modified_at)}"


def told_by(key: str) -> tuple[str, EventKind] | None:
    """Return which recording (its id, escaped) the key of an event tells of, and how; None for a day."""
    match = _LOOSE.fullmatch(key)
    return None if match is None else (match["recording"], EventKind(match["kind"]))


def fitting(event: Event) -> Event:
    """Return an event that tells of its recording what fits into one.

    Raises FormatError for a recording that no event can tell of.
    """
    for tell in (brief, _barest):
        told = evolve(event, recording=tell(event.recording))
        data = event_to_json(told)
        if len(data) <= EVENT_BYTES:
            event_from_json(data)  # what nobody can read again must not be stored
            return told
    raise FormatError(
        f"The recording {event.recording.id[:100]} cannot be listed: "
        f"what names it has over {EVENT_BYTES >> 20} MiB."
    )


def brief(recording: Recording) -> Recording:
    """Return a recording as its events tell it: without roots, little environment, and no text endless."""
    captures = (
        evolve(each, error=_short(each.error), files=each.files[:MOST_FILES]) for each in recording.captures
    )
    evidence = (
        evolve(each, text=_short(each.text), data=each.data if len(repr(each.data)) < TEXT_LENGTH else {})
        for each in recording.evidence[:MOST_TEXTS]
    )
    return evolve(
        recording,
        roots={},
        environment={
            name: _short(found)
            for name in TOLD_OF_ENVIRONMENT
            if isinstance(found := recording.environment.get(name), str)
        },
        captures=tuple(captures),
        evidence=tuple(evidence),
        warnings=tuple(_short(each) for each in recording.warnings[:MOST_TEXTS]),
        labels={name: _short(value) for name, value in list(recording.labels.items())[:MOST_TEXTS]},
        summary={_short(name): value for name, value in list(recording.summary.items())[:MOST_NUMBERS]},
    )


def _barest(recording: Recording) -> Recording:
    """Return as little of a recording as a list can do with: what is short already is too much together."""
    told = brief(recording)
    captures = (
        evolve(each, files=(), options={}, versions={}, contents=None) for each in told.captures[:MOST_TEXTS]
    )
    warning = "The journal tells only a part of this recording, which is too large for it."
    return evolve(told, captures=tuple(captures), evidence=(), warnings=(warning,), labels={}, environment={})


def _short(text: T) -> T:
    if isinstance(text, str) and len(text) > TEXT_LENGTH:
        return text[: TEXT_LENGTH - 1] + "…"
    return text


@frozen
class Journal:
    """The journal of one store."""

    store: ResultStore

    def append(self, event: Event) -> str:
        """Write an event and return its key. No event is ever rewritten."""
        key = event_key(event)
        self.store.put(key, event_to_json(event))
        return key

    def keys(self, since: datetime | None = None) -> Iterator[str]:
        """Yield the keys of events and compacted days, or of the loose events written since an hour.

        Days are listed last: what is compacted meanwhile is in one of them, or was listed before.
        """
        if since is None:
            for found in self.store.list("journal/"):
                if _LOOSE.fullmatch(found.key):
                    yield found.key
            yield from (each.key for each in self.days())
            return
        day = since.astimezone(timezone.utc).date()
        last = datetime.now(timezone.utc).date() + timedelta(days=1)  # a writer's clock may be ahead
        first = f"journal/{format_time(since)[:13]}"
        for number in range((last - day).days + 1):
            for found in self.store.list(f"journal/{(day + timedelta(days=number)).isoformat()}T"):
                if found.key >= first and _LOOSE.fullmatch(found.key):
                    yield found.key

    def days(self) -> Iterator[StoredObject]:
        """Yield the compacted days."""
        return (each for each in self.store.list(DAYS) if _DAY.fullmatch(each.key))

    def read(self, keys: Iterable[str]) -> Iterator[tuple[str, Event]]:
        """Yield the events under these keys, each with its key; a compacted day has many.

        Those that are damaged or of a newer format are passed over with a warning, those that have
        vanished without.
        """
        return self._read(keys, event_from_json)

    def _read(self, keys: Iterable[str], parse: Callable[[bytes], E]) -> Iterator[tuple[str, E]]:
        passed_over = PassedOver()
        for key, lines in self._load(keys):
            for found in _parsed(lines, parse):
                if isinstance(found, FormatError):
                    passed_over.note(key, found)
                else:
                    yield key, found
        passed_over.tell_the_rest()

    def events(self) -> Iterator[Event]:
        """Yield every event, in any order; one that is being compacted perhaps twice."""
        yield from (event for _, event in self._complete(list(self.keys()), event_from_json))

    def current(self, recording_prefix: str = "") -> list[Event]:
        """Return the events that count, as `merge` does, reading as few as possible.

        `recording_prefix` limits it to recordings whose id begins so.
        """
        keys = []
        for key in self.keys():
            told = told_by(key)
            if told is None or told[0].startswith(recording_prefix):
                keys.append(key)
        events = (event for _, event in self.decisive(keys, event_from_json, _name_of))
        return merge(event for event in events if event.recording.id.startswith(recording_prefix))

    def decisive(
        self,
        keys: Iterable[str],
        parse: Callable[[bytes], E],
        name_of: Callable[[E], str],
        *,
        known: Container[str] = (),
    ) -> Iterator[tuple[str, E]]:
        """Yield the events that may count of those under keys that were listed, each with its key.

        `parse` makes them of what is stored, and `name_of` says of which recording they are: its id,
        escaped as in keys. A running event is not read where there is a readable final one, nor either
        where there is a deleted one. What was compacted since is read in its day, but in none of the
        `known` versions.
        """
        groups: dict[str, list[tuple[int, str]]] = {}
        best: list[str] = []
        for key in keys:
            told = told_by(key)
            if told is None:
                best.append(key)
            else:
                groups.setdefault(told[0], []).append((_ORDER[told[1]], key))
        spare: dict[str, list[str]] = {}
        for name, group in groups.items():
            highest = max(place for place, _ in group)
            best += [key for place, key in group if place == highest]
            if len(group) > 1:
                spare[name] = [key for place, key in group if place < highest]
        for key, event in self._complete(best, parse, known):
            spare.pop(name_of(event), None)
            yield key, event
        yield from self._read((key for group in spare.values() for key in group), parse)

    def _complete(
        self, keys: list[str], parse: Callable[[bytes], E], known: Container[str] = ()
    ) -> Iterator[tuple[str, E]]:
        """Read keys that were listed, and the days into which some were compacted since."""
        missing = set(keys)
        for key, event in self._read(keys, parse):
            missing.discard(key)
            yield key, event
        if not missing:
            return
        read = set(keys) - missing
        days = (each.key for each in self.days() if each.key not in read and version(each) not in known)
        yield from self._read(days, parse)

    def _load(self, keys: Iterable[str]) -> Iterator[tuple[str, Iterable[bytes | FormatError]]]:
        """Yield what lies under keys, event by event: a day is unpacked while it is gone through."""
        if self.store.concurrency <= 1:
            yield from ((key, self._lines(key)) for key in keys)
            return
        keys = list(keys)
        with ThreadPoolExecutor(min(self.store.concurrency, max(1, len(keys)))) as pool:
            start = 0
            while start < len(keys):
                batch = keys[start : start + BATCH]
                if any(each.startswith(DAYS) for each in batch):  # no more of these than are fetched at once
                    batch = batch[: self.store.concurrency]
                start += len(batch)
                for key, data in zip(batch, pool.map(self._fetch, batch), strict=True):
                    yield key, _lines_of(key, io.BytesIO(data)) if data is not None else ()

    def _lines(self, key: str) -> Iterator[bytes | FormatError]:
        with contextlib.suppress(NotFoundError), self.store.open(key) as stream:
            yield from _lines_of(key, stream)

    def _fetch(self, key: str) -> bytes | None:
        """Return what is stored under a key, None when it is gone."""
        try:
            with self.store.open(key) as stream:
                return stream.read(DAY_BYTES if key.startswith(DAYS) else EVENT_BYTES + 1)
        except NotFoundError:
            return None


class PassedOver:
    """Events that cannot be read: the first few are named in the log, the rest is counted."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, key: str, problem: object) -> None:
        """Take in one, in what is stored under a key."""
        self._count += 1
        if self._count <= TOLD:
            log.warning("%s is passed over. %s", key, problem)

    def tell_the_rest(self) -> None:
        """Say how many were not named."""
        if self._count > TOLD:
            log.warning("%d more events are passed over.", self._count - TOLD)


def parsed(key: str, stream: BinaryIO, parse: Callable[[bytes], E]) -> Iterator[E | FormatError]:
    """Yield what is made of the events in what is stored under a key, and what is wrong with others."""
    return _parsed(_lines_of(key, stream), parse)


def _parsed(lines: Iterable[bytes | FormatError], parse: Callable[[bytes], E]) -> Iterator[E | FormatError]:
    for line in lines:
        try:
            yield parse(_data(line))
        except FormatError as error:
            yield error


def _lines_of(key: str, stream: BinaryIO) -> Iterator[bytes | FormatError]:
    """Yield the events in what is stored, and what is wrong with it."""
    if not key.startswith(DAYS):
        yield stream.read(EVENT_BYTES + 1)
        return
    lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(stream), PIECE_BYTES)
    left = DAY_BYTES
    try:
        while line := lines.readline(EVENT_BYTES + 1):
            left -= len(line)
            if left < 0:
                raise FormatError(f"It is damaged (a day of more than {DAY_BYTES} bytes).")
            if line.strip():
                yield line
    except zstandard.ZstdError as error:
        yield FormatError(f"It is damaged ({error}).")
    except FormatError as error:
        yield error


def _data(line: bytes | FormatError) -> bytes:
    """Return what is an event perhaps. Raises FormatError when it is none."""
    if isinstance(line, FormatError):
        raise line
    if len(line) > EVENT_BYTES:
        raise FormatError(f"It is damaged (an event of more than {EVENT_BYTES} bytes).")
    return line


def _name_of(event: Event) -> str:
    return escape(event.recording.id, 64)
