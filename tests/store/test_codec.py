"""Check that what is stored comes back, and that what is damaged, hostile or newer is told."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from profilerkit.codec import (
    event_from_json,
    event_to_json,
    format_time,
    recording_from_json,
    recording_to_json,
)
from profilerkit.errors import FormatError
from profilerkit.keys import recording_key
from profilerkit.model import Event, EventKind, Recording
from tests.store.samples import START, a_recording

any_text = st.text(st.characters(exclude_categories=()))
EVENT = event_to_json(
    Event(
        "e" * 36,
        EventKind.FINAL,
        (R := evolve(a_recording(), roots={}, environment={})),
        recording_key(R),
        START,
    )
)


def test_a_recording_comes_back_exactly() -> None:
    """Every field, odd names and nested options included."""
    recording = a_recording()
    assert recording_from_json(recording_to_json(recording)) == recording


def test_an_event_comes_back_exactly() -> None:
    """It is one line, so that days can be made of lines."""
    event = event_from_json(EVENT)
    assert (event.recording, event.key, event.kind) == (R, recording_key(R), EventKind.FINAL)
    assert event_to_json(event) == EVENT
    assert b"\n" not in EVENT


@given(any_text, st.dictionaries(any_text, any_text, max_size=3), st.floats())
def test_any_text_and_number_comes_back(name: str, labels: dict[str, str], number: float) -> None:
    """Text comes back as it was; a number that JSON cannot say comes back as unknown."""
    recording = a_recording(
        labels=labels, warnings=(name,), summary={name: number}, environment={name: [number]}
    )
    again = recording_from_json(recording_to_json(recording))
    assert (again.labels, again.warnings) == (labels, (name,))
    expected = number if math.isfinite(number) else None
    assert (again.summary, again.environment) == ({name: expected}, {name: [expected]})


def test_options_of_any_type_can_be_stored() -> None:
    """What JSON has no word for becomes its text."""
    recording = a_recording(
        environment={"path": Path("/x"), "set": {"b", "a"}, "tuple": (1, 2), "when": START, 1: 2}
    )
    again = recording_from_json(recording_to_json(recording))
    assert again.environment == {
        "path": "/x",
        "set": ["a", "b"],
        "tuple": [1, 2],
        "when": format_time(START),
        "1": 2,
    }


def test_times_are_utc_with_a_z() -> None:
    """Any zone is written as UTC, and read back as the same moment."""
    east = datetime(2026, 1, 1, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert format_time(east) == "2025-12-31T21:00:00.000000Z"
    assert format_time(START) == "2026-11-14T23:59:59.123456Z"
    again = recording_from_json(recording_to_json(a_recording(started_at=east)))
    assert (again.started_at, again.started_at.utcoffset()) == (east, timedelta(0))


def test_unknown_fields_are_passed_over_and_missing_ones_have_defaults() -> None:
    """A field that a later version adds does no harm, nor one that an older never wrote."""
    plain: dict[str, Any] = json.loads(recording_to_json(a_recording()))
    plain["new"] = plain["subject"]["new"] = plain["captures"][0]["new"] = {"a": 1}
    for name in ("warnings", "process", "revision", "roots", "checkpoint_interval_seconds"):
        del plain[name]
    again = recording_from_json(json.dumps(plain).encode())
    assert (again.warnings, again.process, again.revision, again.checkpoint_interval_seconds) == (
        (),
        None,
        0,
        60.0,
    )


def test_an_interval_that_was_infinite_is_read_as_the_default() -> None:
    """JSON has no word for it: what is stored already is not lost."""
    endless = a_recording(checkpoint_interval_seconds=math.inf)
    stored = recording_to_json(endless)
    assert b'"checkpoint_interval_seconds":null' in stored
    assert recording_from_json(stored) == evolve(endless, checkpoint_interval_seconds=60.0)
    told = event_to_json(Event("e" * 36, EventKind.FINAL, endless, recording_key(endless), START))
    assert event_from_json(told).recording == evolve(endless, checkpoint_interval_seconds=60.0)


def test_a_newer_format_is_refused_in_words() -> None:
    """Whatever else a newer format has, it says what to do."""
    for read in (recording_from_json, event_from_json):
        with pytest.raises(FormatError, match=r"format 2; this version reads up to 1\. Install a newer"):
            read(b'{"format": 2, "everything": "else"}')


DAMAGED = [
    *(
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"format":' + b"9" * 5000 + b"}",
    ),
    *(b'{"format":1e999}', b'{"format":null}', b'{"format":1}', EVENT[:-3], EVENT + b"}"),
    EVENT.replace(b'"final"', b'"odd"'),
    EVENT.replace(b'"partial"', b'"odd"'),
    EVENT.replace(b'"revision":3', b'"revision":[]'),
    EVENT.replace(b'"peak_rss_bytes":123456789.0', b'"peak_rss_bytes":1' + b"0" * 400),
    EVENT.replace(b'"kind":"task"', b'"kind":"../task"'),
    EVENT.replace(b'"team":"data"', b'"team":{}'),
    EVENT.replace(b"2026-11-14T23:59:59.123456Z", b"yesterday"),
    EVENT.replace(b'"recordings/', b'"journal/'),
    EVENT.replace(b'"recordings/', b'"recordings/../../'),
    EVENT.replace(recording_key(R).encode(), b"recordings"),
    EVENT.replace(recording_key(R).encode(), b""),
    EVENT.replace(recording_key(R).encode(), recording_key(R).rpartition("/")[0].encode()),
]


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_what_is_damaged_or_hostile_is_refused(data: bytes) -> None:
    """Nothing that anybody may have written is taken for an event, or for anything but a FormatError."""
    assert data != EVENT
    with pytest.raises(FormatError):
        event_from_json(data)


@given(st.integers(0, len(EVENT) - 1), st.binary(min_size=1, max_size=3))
def test_any_damage_is_a_format_error_or_harmless(position: int, data: bytes) -> None:
    """A changed byte anywhere gives an event whose key is its own folder, or a FormatError."""
    try:
        event = event_from_json(EVENT[:position] + data + EVENT[position + len(data) :])
    except FormatError:
        return
    assert isinstance(event.recording, Recording)
    assert event.key.startswith("recordings/")
