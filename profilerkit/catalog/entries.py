"""Take out of a stored event what a catalog keeps of it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as _quoted
from typing import NamedTuple

from profilerkit.archive import last_sign
from profilerkit.catalog.schema import OUTCOMES, STATUSES
from profilerkit.catalog.texts import to_text
from profilerkit.catalog.values import LIMIT, Measure, measured
from profilerkit.codec import event_from_json, event_to_json
from profilerkit.journal import HIGHEST_REVISION, TOLD_OF_ENVIRONMENT, order
from profilerkit.keys import escape
from profilerkit.model import RUN_NAMES, Event, EventKind, Recording, Status

ID_LENGTH = 64
VERSIONS_KEPT = 20
"""Of the distributions that the captures of a recording name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = struct.Struct(">BQQ")
_BEFORE_CHRIST = 1 << 62
"""Makes a positive number of any time."""
_RUN, _TRY, _MAP = RUN_NAMES


class Entry(NamedTuple):
    """What a catalog keeps of one event. Times are microseconds since 1970; names are JSON."""

    name: str
    """The id of the recording, escaped."""
    number: int
    """What the recording has for a number if no other has it."""
    place: bytes
    """Is the higher, byte by byte, the later the event counts, as `journal.rank` is."""
    kind: str
    """The value of an `EventKind`."""
    event: bytes
    """As it is stored."""
    subject_kind: str
    group: str
    series: str
    run_id: str
    """Empty where there is none, as is `try_number`."""
    try_number: str
    map_index: str | None
    traits: str
    status: int
    outcome: int | None
    silent_after: int | None
    started_at: int
    peak_rss_bytes: float | None
    cpu_seconds: float | None
    duration_seconds: float | None
    limit_bytes: float | None
    parent: str | None
    """Its id, escaped."""


def escaped(recording_id: str) -> str:
    """Return an id as the catalog has it."""
    return escape(recording_id, ID_LENGTH)


def microseconds(time: datetime) -> int:
    """Return a time as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(number: int) -> datetime:
    """Return a time that was stored."""
    return _EPOCH + timedelta(microseconds=number)


def number_of(name: str) -> int:
    """Return the number that an id, escaped, has if no other has it: of a UUIDv7 its time, in 60 bits."""
    digits = name.replace("-", "")
    try:
        if len(name) == 36 and len(digits) == 32:
            return int(digits[:12] + digits[13:16], 16)
    except ValueError:
        pass
    return int.from_bytes(blake2b(name.encode("ascii"), digest_size=8).digest(), "big") >> 4


def place_of(kind: EventKind, revision: int, written_at: int, event_id: str) -> bytes:
    """Return how much an event counts."""
    revision = min(max(0, revision), HIGHEST_REVISION)
    head = _PLACE.pack(order(kind), revision, written_at + _BEFORE_CHRIST)
    return head + event_id.encode("utf-8", "surrogatepass")


def name_texts(names: Mapping[str, str]) -> tuple[str, str, str, str, str | None]:
    """Return what names are in the tables: group, series, run id, try number and map index."""
    texts = {name: _quoted(each) for name, each in names.items()}
    group = next(iter(texts.values()), '""')
    run_id, try_number, map_index = texts.pop(_RUN, ""), texts.pop(_TRY, ""), texts.pop(_MAP, None)
    # The same as `to_text` has it, in less time.
    series = ",".join([f"{_quoted(name)}:{texts[name]}" for name in sorted(texts)])
    return group, f"{{{series}}}", run_id, try_number, map_index


def traits_text(labels: Mapping[str, str], profilers: tuple[str, ...], versions: Mapping[str, str]) -> str:
    """Return what labels, profilers and versions are in the tables."""
    if len(versions) > VERSIONS_KEPT:
        versions = dict(sorted(versions.items())[:VERSIONS_KEPT])
    return to_text({"labels": dict(labels), "profilers": profilers, "versions": dict(versions)})


def entry_of(data: bytes) -> Entry:
    """Return what is kept of a stored event. Raises FormatError when it is damaged or of a newer format."""
    from profilerkit.catalog.ownform import from_own  # which builds upon this

    return from_own(data) or careful_entry_of(data)


def careful_entry_of(data: bytes) -> Entry:
    """Return the same; for a few events, since that needs no pattern to be compiled."""
    event = event_from_json(data)
    recording = event.recording
    name = escaped(recording.id)
    outcome = recording.outcome
    versions: dict[str, str] = {}
    for each in recording.captures:
        versions.update(each.versions)
    for told in TOLD_OF_ENVIRONMENT:
        if isinstance(recording.environment.get(told), str):
            versions[told] = recording.environment[told]
    return Entry(
        name,
        number_of(name),
        place_of(event.kind, recording.revision, microseconds(event.written_at), event.event_id),
        event.kind.value,
        event_to_json(event),
        recording.subject.kind,
        *name_texts(recording.subject.names),
        traits_text(recording.labels, tuple(each.profiler for each in recording.captures), versions),
        STATUSES.index(recording.status),
        None if outcome is None else OUTCOMES.index(outcome),
        _silent_after(event),
        microseconds(recording.started_at),
        *_measures(recording),
        measured(recording, LIMIT),
        None if recording.parent_id is None else escaped(recording.parent_id),
    )


def _measures(recording: Recording) -> tuple[float | None, float | None, float | None]:
    peak, cpu, duration = (measured(recording, each.value) for each in Measure)
    return peak, cpu, duration


def _silent_after(event: Event) -> int | None:
    if event.recording.status is not Status.RUNNING:
        return None
    seen, silence = last_sign(event)
    return microseconds(seen) + silence // _MICROSECOND
