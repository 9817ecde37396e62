"""Test that speedscope files are what speedscope reads."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from trees import hostile_frames, path_to, trees

from profilerkit.reading import Frame, Metric, StackTree
from profilerkit.stacks.speedscope import speedscope
from profilerkit.testing.readings import chain, plain_tree, several_metrics_tree

NUMBER, TEXT = {"type": "number"}, {"type": "string"}

# What https://www.speedscope.app/file-format-schema.json (1.25.0) asks of sampled profiles.
SCHEMA = {
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": TEXT,
        "exporter": TEXT,
        "activeProfileIndex": NUMBER,
        "shared": {
            "type": "object",
            "required": ["frames"],
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": TEXT, "file": TEXT, "line": NUMBER, "col": NUMBER},
                    },
                }
            },
        },
        "profiles": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
                "properties": {
                    "type": {"const": "sampled"},
                    "name": TEXT,
                    "unit": {
                        "enum": ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"]
                    },
                    "startValue": NUMBER,
                    "endValue": NUMBER,
                    "samples": {"type": "array", "items": {"type": "array", "items": NUMBER}},
                    "weights": {"type": "array", "items": NUMBER},
                },
            },
        },
    },
}


@given(trees(hostile_frames))
def test_file_is_valid_and_weights_are_the_whole(tree: StackTree) -> None:
    """Each metric is a sampled profile whose weights sum up to what the stacks count."""
    data = speedscope(tree, "any name")
    jsonschema.validate(data, SCHEMA)
    assert len(data["profiles"]) == len(tree.metrics)
    for profile, column in zip(data["profiles"], tree.self_values, strict=True):
        assert sum(profile["weights"]) == profile["endValue"] == sum(column)
        assert len(profile["samples"]) == len(profile["weights"])
        used = [frame for sample in profile["samples"] for frame in sample]
        assert all(0 <= frame < len(data["shared"]["frames"]) for frame in used)


@given(trees(hostile_frames))
def test_samples_are_stacks_root_first(tree: StackTree) -> None:
    """Every sample names the frames of its node's stack, exactly and in order."""
    data = speedscope(tree, "any name")
    for profile, column in zip(data["profiles"], tree.self_values, strict=True):
        named = [
            [data["shared"]["frames"][frame]["name"] for frame in sample] for sample in profile["samples"]
        ]
        assert named == [
            [frame.function for frame in path_to(tree, node)] for node, value in enumerate(column) if value
        ]


def test_units_are_those_that_speedscope_knows() -> None:
    """Bytes and seconds are told; what speedscope has no word for is without a unit."""
    profiles = speedscope(several_metrics_tree(), "x")["profiles"]
    assert [(profile["name"], profile["unit"]) for profile in profiles] == [
        ("heap", "bytes"),
        ("wall time", "seconds"),
        ("allocations", "none"),
    ]


def test_frames_have_file_and_line_where_known() -> None:
    """A thread's name has neither."""
    frames = (Frame("worker", "", 0, "thread"), Frame("main", "etl.py", 40, "own"))
    tree = StackTree((Metric("time", "seconds"),), frames, [-1, 0, 1], [-1, 0, 1], ([0.0, 0.0, 2.0],))
    assert speedscope(tree, "x")["shared"]["frames"] == [
        {"name": "worker"},
        {"name": "main", "file": "etl.py", "line": 40},
    ]


@pytest.mark.parametrize("max_entries", [10, 1_000, 100_000])
def test_deep_stacks_are_cut_to_a_size(max_entries: int) -> None:
    """The file stays bounded however deep the stacks, and no weight is lost."""
    (profile,) = speedscope(chain(5_000), "x", max_entries=max_entries)["profiles"]
    assert sum(map(len, profile["samples"])) <= max_entries
    assert sum(profile["weights"]) == 5_001


def test_small_trees_are_whole() -> None:
    """Nothing is left out of what fits."""
    (profile,) = speedscope(plain_tree(), "x")["profiles"]
    assert profile["weights"] == [500, 3000, 596]
