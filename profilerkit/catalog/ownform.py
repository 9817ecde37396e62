"""Take what a catalog keeps out of an event that is just as we write it, in one pass.

A pattern accepts less than the codec does, and what is taken is the same: whatever is unusual is left to
the codec. It reads four times as much in the same time.
"""

from __future__ import annotations

import functools
import json
import re
from datetime import datetime, timedelta
from typing import Any

from profilerkit.archive import LONGEST_INTERVAL_SECONDS, SILENT_INTERVALS
from profilerkit.catalog.entries import Entry, name_texts, place_of, traits_text
from profilerkit.catalog.schema import OUTCOMES, STATUSES
from profilerkit.catalog.values import LIMIT, Measure
from profilerkit.journal import TOLD_OF_ENVIRONMENT
from profilerkit.keys import KEY_LENGTH
from profilerkit.model import EventKind, Placement, Status

MOST_BYTES = 1 << 16
"""A longer event is unusual."""
REMEMBERED = 1000
"""So many combinations of labels and versions are remembered, and as many hours."""
REMEMBERED_LENGTH = 4000
REMEMBERED_CAPTURES = 20


def _or(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


def _many(pattern: str) -> str:
    return f"(?:{pattern}(?:,{pattern})*)?"


def _array(pattern: str) -> str:
    return rf"\[{_many(pattern)}\]"


def _object(pattern: str, name: str | None = None) -> str:
    return r"\{" + _many(f"{name or _TEXT}:{pattern}") + r"\}"


def _fields(**patterns: str) -> str:
    """Return the pattern of an object that has these fields, in this order."""
    return r"\{" + ",".join(f'"{name}":{each}' for name, each in patterns.items()) + r"\}"


_ESCAPE = r'\\(?:["\\/bfnrt]|u[0-9a-f]{4})'
_TEXT = rf'"[ !#-\[\]-~]*(?:{_ESCAPE}[ !#-\[\]-~]*)*"'
_WHOLE = r"-?(?:0|[1-9][0-9]{0,17})"
# None of these is too large for a float.
_NUMBER = r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?(?:e[-+]?[0-9]{1,2})?"
_FLAG = "(?:true|false)"
_PLAIN = _or(_TEXT, _NUMBER, "true", "false", "null")
_NESTED = _or(_PLAIN, _array(_PLAIN), _object(_PLAIN))
_VALUE = _or(_PLAIN, _array(_NESTED), _object(_NESTED))
_TIME = r'"\d{4}-\d\d-\d\dT\d\d:[0-5]\d:[0-5]\d\.\d{6}Z"'
_MAYBE_TIME = _or("null", _TIME)
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_KEY = r"recordings(?:/(?!\.tmp-|\.{1,2}[/\"])[A-Za-z0-9._%=-]{1,200}){2,}"
_STATUS = _or(*(each.value for each in Status))


# Each in a pattern of its own: what a pattern remembers to go back to is costly.
_HEAD = _fields(
    event_id=r'"([ !#-\[\]-~]*)"',
    kind=f'"({_or(*(each.value for each in EventKind))})"',
    recording=_fields(
        id=f'"({_ID})"',
        subject=_fields(kind='"([a-z][a-z0-9_]{0,31})"', names=f"({_object(_TEXT)})"),
        status=f'"({_STATUS})"',
        outcome=_or("null", '"([a-z]+)"'),
        started_at=f"({_TIME})",
        ended_at=f"({_MAYBE_TIME})",
        alive_at=f"({_MAYBE_TIME})",
        captures=r"\[",
    )[:-2],
)[:-2]
_CAPTURE = _fields(
    profiler=f"({_TEXT})",
    status=f'"{_STATUS}"',
    placement=f'"{_or(*(each.value for each in Placement))}"',
    entry=_TEXT,
    options=_object(_VALUE),
    versions=f"({_object(_TEXT)})",
    files=_array(_fields(path=_TEXT, size_bytes=_WHOLE, stored_bytes=_or(_WHOLE, "null"))),
    error=_or("null", _TEXT),
    contents=_or("null", _array(_TEXT)),
    portable="(?:true|false)",
)
_PROCESS = _fields(pid=_WHOLE, start_ticks=_WHOLE, boot_id=_TEXT, pid_namespace=_TEXT, start_stack=_WHOLE)
_TAIL = _fields(
    summary=f"({_object(_or(_NUMBER, 'null'))})",
    labels=f"({_object(_TEXT)})",
    parent_id=_or("null", f'"({_ID})"'),
    evidence=_array(_fields(kind=_TEXT, text=_TEXT, data=_object(_VALUE))),
    warnings=_array(_TEXT),
    environment="(" + _object(_TEXT, f'"{_or(*TOLD_OF_ENVIRONMENT)}"') + ")",
    roots=r"\{\}",
    process=_or("null", _PROCESS),
    checkpoint_interval_seconds=r"([0-9]{1,6}\.[0-9]{1,17})",
    revision=f"({_WHOLE})",
    format="1",
)[2:]
_END = _fields(key=f'"({_KEY})"', written_at=f"({_TIME})", format="1")[2:]
_head = re.compile(_HEAD).match
_capture = re.compile(rf"{_CAPTURE}(,?)").match
_tail = re.compile(rf"\],{_TAIL},{_END}\s*").fullmatch
_KINDS = {each.value: each for each in EventKind}
_STATUSES = {each.value: place for place, each in enumerate(STATUSES)}
_OUTCOMES: dict[str | None, int | None] = {
    None: None,
    **{each.value: place for place, each in enumerate(OUTCOMES)},
}
_RUNNING = Status.RUNNING.value
_NAIVE_EPOCH = datetime(1970, 1, 1)
_PEAK, _CPU = Measure.PEAK.value, Measure.CPU.value
_decoder = json.JSONDecoder()


def from_own(data: bytes) -> Entry | None:
    """Return what is kept of an event that is just as we write it; else None."""
    if len(data) > MOST_BYTES or not data.isascii():
        return None
    text = data.decode("ascii")
    head = _head(text)
    if head is None:
        return None
    place, more = head.end(), ","
    captures: list[tuple[str, str]] = []
    while more:
        found = _capture(text, place)
        if found is None:
            if captures:
                return None
            break
        profiler, versions, more = found.groups()
        captures.append((profiler, versions))
        place = found.end()
    tail = _tail(text, place)
    try:
        return None if tail is None else _entry(head.groups(), tuple(captures), tail.groups(), data.strip())
    except (ValueError, LookupError):
        return None


def _entry(
    head: tuple[Any, ...], captures: tuple[tuple[str, str], ...], tail: tuple[Any, ...], data: bytes
) -> Entry:
    event_id, kind, name, subject_kind, names, status, outcome, started, ended, alive = head
    summary, labels, parent, environment, interval, revision, key, written = tail
    if len(key) > KEY_LENGTH or not key.endswith(f"/{name}"):
        raise ValueError(key)
    silence = float(interval)
    if silence > LONGEST_INTERVAL_SECONDS:
        raise ValueError(interval)
    started_at, written_at = _time(started), _time(written)
    alive_at = None if alive == "null" else _time(alive)
    end = alive_at if ended in (alive, "null") else _time(ended)
    number = _decoder.raw_decode(summary)[0].get
    peak, cpu, limit = number(_PEAK), number(_CPU), number(LIMIT)
    return Entry(
        name,
        int(name[:8] + name[9:13] + name[15:18], 16),
        place_of(_KINDS[kind], int(revision), written_at, event_id),
        kind,
        data,
        subject_kind,
        *name_texts(_decoder.raw_decode(names)[0]),
        _traits(labels, captures, environment),
        _STATUSES[status],
        _OUTCOMES[outcome],
        _silent_after(written_at if alive_at is None else alive_at, silence) if status == _RUNNING else None,
        started_at,
        None if peak is None else float(peak),
        None if cpu is None else float(cpu),
        None if end is None else max(0.0, (end - started_at) / 1e6),
        None if limit is None else float(limit),
        parent,
    )


def _time(text: str) -> int:
    """Return a time, in quotes, in microseconds since 1970."""
    return _hour(text[1:14]) + (int(text[15:17]) * 60 + int(text[18:20])) * 1_000_000 + int(text[21:27])


@functools.lru_cache(REMEMBERED)
def _hour(text: str) -> int:
    since = datetime.fromisoformat(text) - _NAIVE_EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000


def _silent_after(seen: int, interval: float) -> int:
    return seen + timedelta(seconds=SILENT_INTERVALS * interval) // timedelta(microseconds=1)


def _traits(labels: str, captures: tuple[tuple[str, str], ...], environment: str) -> str:
    """Return the text of traits out of JSON: of labels, profiler and versions of captures, environment."""
    long = len(labels) > REMEMBERED_LENGTH or len(captures) > REMEMBERED_CAPTURES
    return (_new_traits.__wrapped__ if long else _new_traits)(labels, captures, environment)


@functools.lru_cache(REMEMBERED)
def _new_traits(labels: str, captures: tuple[tuple[str, str], ...], environment: str) -> str:
    versions: dict[str, str] = {}
    for _, each in captures:
        versions |= json.loads(each)
    versions |= json.loads(environment)
    return traits_text(json.loads(labels), tuple(json.loads(each) for each, _ in captures), versions)
