"""Check that what is taken out of events in a hurry is what the codec reads out of them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from profilerkit.catalog.entries import entry_of, number_of
from profilerkit.catalog.ownform import from_own
from profilerkit.codec import event_from_json, event_to_json
from profilerkit.errors import FormatError
from profilerkit.ids import uuid7
from profilerkit.journal import rank
from profilerkit.model import EventKind, Status
from tests.catalog.strategies import NOW, an_event, families
from tests.store.samples import a_recording

ODD_VALUES = (
    None, True, 0, 1, -1, 1.5, 1e300, -(10**400), "", "x", "nan", "2026-11-14T23:59:59.123456Z", [], [1], {},
    {"a": 1}, "2026-11-14T23:59:59+05:00Z", "20261114T235959.123456    Z", "\ud800", "running", "ab" * 40000,
)  # fmt: skip


def paths(plain: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all parts of a document."""
    found = [way] if way else []
    items = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for name, each in items:
        found += paths(each, (*way, name))
    return found


def slowly(data: bytes) -> Any:
    """Return what is kept of an event as only the codec reads it, None where it refuses it."""
    try:
        return entry_of(b" " * (1 << 16) + data)  # what is so long is not taken in a hurry
    except FormatError:
        return None


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_hurried_look_takes_the_same_or_nothing(data: Any) -> None:
    """Whatever is changed in an event, nothing is taken that the codec refuses or reads otherwise."""
    recording = a_recording(parent_id=data.draw(st.sampled_from((None, uuid7(), "x"))))
    status = data.draw(st.sampled_from(Status))
    event = an_event(evolve(recording, status=status), data.draw(st.sampled_from(EventKind)))
    plain = json.loads(event_to_json(event))
    way = data.draw(st.sampled_from(paths(plain)))
    inner = plain
    for each in way[:-1]:
        inner = inner[each]
    change = data.draw(st.sampled_from(("replace", "delete", "add")))
    if change == "replace":
        inner[way[-1]] = data.draw(st.sampled_from(ODD_VALUES))
    elif change == "delete":
        del inner[way[-1]]
    elif isinstance(inner, dict):
        inner["more"] = data.draw(st.sampled_from(ODD_VALUES))
    changed = json.dumps(plain, separators=(",", ":")).encode()
    quick, slow = from_own(changed), slowly(changed)
    if quick is not None:
        assert slow is not None
        assert quick._replace(event=b"") == slow._replace(event=b"")
        assert event_from_json(quick.event) == event_from_json(changed)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none_are_left_to_the_codec(text: str) -> None:
    """They become unknown."""
    data = event_to_json(an_event(a_recording(), EventKind.FINAL)).replace(b"123456789.0", text.encode())
    assert from_own(data) is None
    assert entry_of(data).peak_rss_bytes is None


@settings(deadline=None)
@given(families())
def test_events_as_we_write_them_are_taken_in_a_hurry(family: Any) -> None:
    """All but those of ids that are not ours."""
    for recording in family:
        event = an_event(recording, EventKind.FINAL, 3)
        data = event_to_json(event)
        quick = from_own(data)
        assert (quick is None) == (recording.parent_id == "unknown")
        assert entry_of(data)._replace(event=b"") == slowly(data)._replace(event=b"")


def test_whole_numbers_are_numbers() -> None:
    """The kernel counts bytes in whole ones."""
    recording = a_recording(summary={"peak_rss_bytes": 1 << 40, "cpu_seconds": 1}, parent_id=None)
    entry = from_own(event_to_json(an_event(recording, EventKind.FINAL)))
    assert entry is not None
    assert (entry.peak_rss_bytes, entry.cpu_seconds) == (float(1 << 40), 1.0)


def test_places_sort_as_ranks_do() -> None:
    """Kind, revision, time of writing, id."""
    events = [
        evolve(an_event(a_recording(), kind, revision), written_at=NOW + timedelta(days=days))
        for kind in EventKind
        for revision in (0, 1, 10, 1 << 62)
        for days in (0, -30_000, 3000)
    ]
    by_place = sorted(events, key=lambda each: entry_of(event_to_json(each)).place)
    assert by_place == sorted(events, key=rank)


def test_numbers_rise_with_ids() -> None:
    """Those of ids that are not ours are somewhere, and always the same."""
    ids = [uuid7() for _ in range(100)]
    numbers = [number_of(each) for each in ids]
    assert numbers == sorted(numbers)
    assert number_of("x") == number_of("x") != number_of("y")
    assert all(0 <= number_of(each) < 1 << 60 for each in ("x", "g" * 36, "-" * 36, "=", uuid7()))
