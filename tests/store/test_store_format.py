"""Check that the reference of the store's format is true: a reader written by it alone reads everything."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
import zstandard
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from profilerkit import keys
from profilerkit.codec import event_to_json, recording_to_json
from profilerkit.model import Capture, Event, EventKind, Outcome, Recording, Status
from profilerkit.reading import Reading
from profilerkit.readingjson import reading_to_json
from tests.store import by_the_docs
from tests.store.samples import ODD, a_reading, a_recording, an_archive
from tests.store.test_keys import any_name, names, recording

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "store-format.md").read_text(encoding="utf-8")


@given(any_name, st.sampled_from([33, 64, 100, 120, 196, 200]))
def test_names_are_escaped_as_documented(name: str, allowed: int) -> None:
    """Whoever follows the rules of the page finds every file."""
    assert by_the_docs.escape(name, allowed) == keys.escape(name, allowed)


@given(names, any_name.filter(bool), st.lists(any_name, min_size=1, max_size=5))
@settings(max_examples=300)
def test_folders_are_named_as_documented(subject: dict[str, str], recording_id: str, path: list[str]) -> None:
    """The folder of a recording and the key of a raw file follow from recording.json."""
    each = recording(subject, recording_id)
    assert by_the_docs.folder_of(json.loads(recording_to_json(each))) == keys.recording_key(each)
    assert by_the_docs.raw_path("/".join(path)) == f"{keys.escape_path('/'.join(path))}.zst"


def test_a_store_is_read_by_the_reference_alone(tmp_path: Path) -> None:
    """Lists, recordings, raw files and readings, with odd names, a compacted day and damage."""
    archive = an_archive(tmp_path)
    store = tmp_path / "store"
    path = tmp_path / "raw"
    path.write_bytes(b"raw" * 1000)
    first, second, third = (a_recording() for _ in range(3))
    for each in (first, second, third):
        archive.publish(evolve(each, revision=1, status=Status.RUNNING, outcome=None), EventKind.RUNNING)
    key = keys.recording_key(second)
    for file in second.captures[0].files:
        archive.put_raw(key, "memray", path, file.path)
    archive.put_reading(key, "memray", "1.0-3", a_reading())
    final = archive.publish(second, EventKind.FINAL)
    archive.delete(third)
    for each in (store / "journal").rglob("*-running.json"):
        if first.id not in each.name:
            each.unlink()
    archive.store.put(f"journal/2026-11-14T00/{'0' * 36}-abc-final.json", b"damaged")
    day = b"\n".join([event_to_json(final), event_to_json(final)])
    archive.store.put("journal/days/2026-11-14.jsonl.zst", zstandard.ZstdCompressor().compress(day))

    listed = by_the_docs.recordings(store)
    assert [event["recording"]["id"] for event in listed] == [second.id, first.id]
    found = by_the_docs.recording_of(store, listed[0])
    assert found == json.loads(recording_to_json(second))
    assert found["subject"]["names"]["run_id"] == ODD
    assert by_the_docs.folder_of(found) == listed[0]["key"] == key
    raw = by_the_docs.raw_files(store, listed[0], "memray")
    assert raw == {file.path: b"raw" * 1000 for file in second.captures[0].files}
    (reading,) = by_the_docs.readings(store, listed[0], "memray")
    assert by_the_docs.totals(reading) == {"main": 101.0, "load": 100.0}
    assert reading["frames"][0] == ["main", "etl.py", 3, "own"]


def fields(table_after: str) -> set[str]:
    """Return the first column of the table after a text."""
    table = REFERENCE.partition(table_after)[2].partition("| field |")[2].partition("\n\n")[0]
    return {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}


@pytest.mark.parametrize(
    ("section", "stored"),
    [
        ("## recording.json", [each.name for each in attrs.fields(Recording)]),
        ("A capture is what", [each.name for each in attrs.fields(Capture)]),
        ("Each event is", [each.name for each in attrs.fields(Event)]),
        ("## Readings", list(reading_to_json(Reading()))),
    ],
)
def test_every_field_is_documented(section: str, stored: list[str]) -> None:
    """The tables name each field that is stored, and no other."""
    assert fields(section) == set(stored)


def test_every_value_is_documented() -> None:
    """Each status, outcome and kind of event is a word of the page."""
    values: list[Any] = [*Status, *Outcome, *EventKind]
    assert [each.value for each in values if f"`{each.value}`" not in REFERENCE] == []


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    """Lengths, counts and the number of silent intervals."""
    for number in (
        keys.KEY_LENGTH,
        keys.NAMES_LENGTH,
        keys.PART_LENGTH,
        keys.PATH_LENGTH,
        keys.PROFILER_LENGTH,
    ):
        assert re.search(rf"\b{number}\b", REFERENCE)
    assert keys.TEMPORARY in REFERENCE
