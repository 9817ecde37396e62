"""Test that readings survive being stored as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from trees import readings

from profilerkit.reading import Reading
from profilerkit.readingjson import reading_from_json, reading_to_json
from profilerkit.testing.readings import HOSTILE_NAMES, hostile_reading


@given(readings())
def test_a_reading_comes_back_the_same(reading: Reading) -> None:
    """Every part, name and number is as it was, and a second round changes nothing."""
    stored = json.dumps(reading_to_json(reading))
    back = reading_from_json(json.loads(stored))
    assert json.dumps(reading_to_json(back)) == stored
    for part in ("summary", "functions", "functions_metric", "edges", "spans", "notes", "contents"):
        assert getattr(back, part) == getattr(reading, part)
    assert [(t.name, t.unit, list(t.times_seconds), list(t.values)) for t in back.timelines] == [
        (t.name, t.unit, list(t.times_seconds), list(t.values)) for t in reading.timelines
    ]
    assert _nodes(back) == _nodes(reading)


def _nodes(reading: Reading) -> list[tuple[object, ...]] | None:
    tree = reading.stacks
    if tree is None:
        return None
    frames = [None, *(tree.frames[each] for each in tree.frame_ids[1:])]
    return list(zip(tree.parents, frames, *tree.self_values, strict=True))


def test_hostile_names_come_back_exactly() -> None:
    """Newlines, NUL, escapes, markup, emoji, long names and lone surrogates are stored as they are."""
    back = reading_from_json(json.loads(json.dumps(reading_to_json(hostile_reading()))))
    assert {timeline.name for timeline in back.timelines} == set(HOSTILE_NAMES)
    assert {stat.frame.function for stat in back.functions} == set(HOSTILE_NAMES)
