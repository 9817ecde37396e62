"""Take out of a stored event what a catalog keeps of it: in one pass if it is as we write it."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any, NamedTuple

from profilerkit.archive import LONGEST_INTERVAL_SECONDS, SILENT_INTERVALS, last_sign
from profilerkit.catalog.schema import OUTCOMES, STATUSES
from profilerkit.catalog.values import LIMIT, Measure, measured
from profilerkit.codec import event_from_json, event_to_json
from profilerkit.journal import HIGHEST_REVISION, TOLD_OF_ENVIRONMENT, order
from profilerkit.keys import KEY_LENGTH, escape
from profilerkit.model import KIND_PATTERN, Event, EventKind, Placement, Recording, Status

ID_LENGTH = 64
VERSIONS_KEPT = 20
"""Of the distributions that the captures of a recording name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = struct.Struct(">BQQ")
_BEFORE_CHRIST = 1 << 62
"""Makes a positive number of any time."""


class Entry(NamedTuple):
    """What a catalog keeps of one event. Times are microseconds since 1970."""

    name: str
    """The id of the recording, escaped."""
    number: int
    """What the recording has for a number if no other has it."""
    place: bytes
    """Is the higher, byte by byte, the later the event counts, as `journal.rank` is."""
    kind: EventKind
    event: bytes
    """As it is stored."""
    subject_kind: str
    names: Mapping[str, str]
    labels: Mapping[str, str]
    profilers: tuple[str, ...]
    versions: Mapping[str, str]
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


def entry_of(data: bytes) -> Entry:
    """Return what is kept of a stored event. Raises FormatError when it is damaged or of a newer format."""
    return from_own(data) or _from_event(event_from_json(data))


def _from_event(event: Event) -> Entry:
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
        _place(event.kind, recording.revision, microseconds(event.written_at), event.event_id),
        event.kind,
        event_to_json(event),
        recording.subject.kind,
        recording.subject.names,
        recording.labels,
        tuple(each.profiler for each in recording.captures),
        _few(versions),
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


def _place(kind: EventKind, revision: int, written_at: int, event_id: str) -> bytes:
    revision = min(max(0, revision), HIGHEST_REVISION)
    head = _PLACE.pack(order(kind), revision, written_at + _BEFORE_CHRIST)
    return head + event_id.encode("utf-8", "surrogatepass")


def _few(versions: Mapping[str, str]) -> Mapping[str, str]:
    return versions if len(versions) <= VERSIONS_KEPT else dict(sorted(versions.items())[:VERSIONS_KEPT])


# -- events as we write them ---------------------------------------------------------------------------
#
# What follows accepts less than the codec does, and gives the same: whatever is unusual goes through that.

MOST_BYTES = 1 << 16
_EVENT = frozenset(("event_id", "kind", "recording", "key", "written_at", "format"))
_RECORDING = frozenset((
    "id", "subject", "status", "outcome", "started_at", "ended_at", "alive_at", "captures", "summary",
    "labels", "parent_id", "evidence", "warnings", "environment", "roots", "process",
    "checkpoint_interval_seconds",
    "revision", "format",
))  # fmt: skip
_CAPTURE = frozenset((
    "profiler", "status", "placement", "entry", "options", "versions", "files", "error", "contents",
    "portable",
))  # fmt: skip
_ENVIRONMENT = frozenset(TOLD_OF_ENVIRONMENT)
_SUBJECT = frozenset(("kind", "names"))
_FILE = frozenset(("path", "size_bytes", "stored_bytes"))
_EVIDENCE = frozenset(("kind", "text", "data"))
_PROCESS = frozenset(("pid", "start_ticks", "boot_id", "pid_namespace", "start_stack"))
_KINDS = {each.value: each for each in EventKind}
_STATUSES = {each.value: place for place, each in enumerate(STATUSES)}
_OUTCOMES: Mapping[Any, int | None] = {None: None, **{each.value: at for at, each in enumerate(OUTCOMES)}}
_PLACEMENTS = frozenset(each.value for each in Placement)
_RUNNING = STATUSES.index(Status.RUNNING)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEY = re.compile(r"recordings(?:/(?!\.tmp-|\.{1,2}(?:/|\Z))[A-Za-z0-9._%=-]{1,200}){2,}")
_TEXT = {str}
_NUMBERS = (float, int)
_MOST = 1e300
_NAIVE_EPOCH = datetime(1970, 1, 1)


class _UnusualError(Exception):
    """An event is not quite as we write it."""


def from_own(data: bytes) -> Entry | None:
    """Return what is kept of an event that is just as we write it; else None."""
    if len(data) > MOST_BYTES:
        return None
    try:
        return _entry(json.loads(data), data.strip())
    except (_UnusualError, ValueError, TypeError, LookupError, OverflowError, AttributeError, RecursionError):
        return None


def _entry(plain: Any, data: bytes) -> Entry:
    recording = plain["recording"]
    subject, name, parent = recording["subject"], recording["id"], recording["parent_id"]
    key, event_id, names, labels = plain["key"], plain["event_id"], subject["names"], recording["labels"]
    interval, revision = recording["checkpoint_interval_seconds"], recording["revision"]
    environment = recording["environment"]
    if not (
        plain.keys() == _EVENT
        and recording.keys() == _RECORDING
        and subject.keys() == _SUBJECT
        and plain["format"] == 1 == recording["format"]
        and recording["roots"] == {}
        and environment.keys() <= _ENVIRONMENT
        and _are_texts(environment.values())
        and _ID.fullmatch(name)
        and (parent is None or _ID.fullmatch(parent))
        and len(key) <= KEY_LENGTH
        and key.endswith(f"/{name}")
        and _KEY.fullmatch(key)
        and KIND_PATTERN.fullmatch(subject["kind"])
        and type(event_id) is str
        and type(revision) is int
        and type(interval) is float
        and 0 <= interval <= LONGEST_INTERVAL_SECONDS
        and type(recording["warnings"]) is list
        and _are_texts(recording["warnings"])
        and _are_texts(names.values())
        and _are_texts(labels.values())
        and _are_numbers(recording["summary"].values())
        and (recording["process"] is None or _is_process(recording["process"]))
        and _are_evidence(recording["evidence"])
    ):
        raise _UnusualError
    profilers, versions = _captures(recording["captures"])
    versions |= environment
    started_at, written_at = _time(recording["started_at"]), _time(plain["written_at"])
    ended_at, alive_at = recording["ended_at"], recording["alive_at"]
    alive = None if alive_at is None else _time(alive_at)
    end = alive if ended_at is None else alive if ended_at == alive_at else _time(ended_at)
    status, kind = _STATUSES[recording["status"]], _KINDS[plain["kind"]]
    number = recording["summary"].get
    return Entry(
        name,
        int(name[:8] + name[9:13] + name[15:18], 16),
        _place(kind, revision, written_at, event_id),
        kind,
        data,
        subject["kind"],
        names,
        labels,
        profilers,
        versions if len(versions) <= VERSIONS_KEPT else _few(versions),
        status,
        _OUTCOMES[recording["outcome"]],
        _silence(written_at if alive is None else alive, interval) if status == _RUNNING else None,
        started_at,
        _number(number("peak_rss_bytes")),
        _number(number("cpu_seconds")),
        None if end is None else max(0.0, (end - started_at) / 1e6),
        _number(number(LIMIT)),
        parent,
    )


def _captures(plain: Any) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the profilers of captures, and the versions."""
    profilers, versions = [], {}
    for each in plain:
        contents, error, own = each["contents"], each["error"], each["versions"]
        if not (
            each.keys() == _CAPTURE
            and each["status"] in _STATUSES
            and each["placement"] in _PLACEMENTS
            and type(each["portable"]) is bool
            and type(each["options"]) is dict
            and type(each["profiler"]) is str
            and type(each["entry"]) is str
            and (error is None or type(error) is str)
            and (contents is None or (type(contents) is list and _are_texts(contents)))
            and _are_texts(own.values())
            and type(each["files"]) is list
        ):
            raise _UnusualError
        for file in each["files"]:
            stored = file["stored_bytes"]
            if not (
                file.keys() == _FILE
                and type(file["path"]) is str
                and type(file["size_bytes"]) is int
                and (stored is None or type(stored) is int)
            ):
                raise _UnusualError
        profilers.append(each["profiler"])
        versions.update(own)
    if type(plain) is not list:
        raise _UnusualError
    return tuple(profilers), versions


def _are_evidence(plain: Any) -> bool:
    return type(plain) is list and all(
        each.keys() == _EVIDENCE
        and type(each["data"]) is dict
        and type(each["kind"]) is str
        and type(each["text"]) is str
        for each in plain
    )


def _is_process(plain: Any) -> bool:
    return (
        plain.keys() == _PROCESS
        and type(plain["pid"]) is int
        and type(plain["start_ticks"]) is int
        and type(plain["start_stack"]) is int
        and type(plain["boot_id"]) is str
        and type(plain["pid_namespace"]) is str
    )


def _are_texts(values: Iterable[object]) -> bool:
    return {*map(type, values)} <= _TEXT


def _are_numbers(values: Iterable[Any]) -> bool:
    for each in values:
        if each is not None and not (type(each) in _NUMBERS and -_MOST < each < _MOST):
            return False
    return True


def _number(plain: float | None) -> float | None:
    return None if plain is None else float(plain)


def _time(plain: Any) -> int:
    if len(plain) != 27 or plain[26] != "Z":
        raise _UnusualError
    time = datetime.fromisoformat(plain[:26])
    if time.tzinfo is not None:
        raise _UnusualError
    since = time - _NAIVE_EPOCH
    return (since.days * 86400 + since.seconds) * 1000000 + since.microseconds


def _silence(seen: int, interval: float) -> int:
    return seen + timedelta(seconds=SILENT_INTERVALS * interval) // _MICROSECOND
