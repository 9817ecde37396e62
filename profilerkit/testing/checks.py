"""Check what every plugin promises: its options, and the shape of its readings."""

from __future__ import annotations

import json
import math
from typing import Any

import attrs

from profilerkit.interfaces import Profiler, ReportRenderer
from profilerkit.reading import Reading, StackTree


def check_options(plugin: type[Profiler | ReportRenderer]) -> None:
    """Check that a plugin is an attrs class whose fields are options with a default and a help text."""
    assert isinstance(plugin.title, str)
    assert plugin.title.strip(), "its title is empty"
    assert attrs.has(plugin), f"{plugin.__name__} must be an attrs class: decorate it with attrs.define"
    plugin()  # every option has a default
    for option in attrs.fields(plugin):
        if option.init and not option.name.startswith("_"):
            help_text = option.metadata.get("help")
            assert isinstance(help_text, str), f"option {option.name} needs metadata={{'help': …}}"
            assert help_text.strip(), f"the help of option {option.name} is empty"
            value = getattr(plugin(), option.name)
            assert json.loads(json.dumps(value)) == value, f"the default of {option.name} is not a JSON value"


def check_reading(reading: Reading) -> None:
    """Check that a reading fits together: see `profilerkit.reading`."""
    for name, number in reading.summary.items():
        assert number is None or math.isfinite(number), f"summary[{name!r}] is {number}"
    for timeline in reading.timelines:
        times = list(timeline.times_seconds)
        assert len(times) == len(timeline.values), f"timeline {timeline.name!r} has other times than values"
        assert times == sorted(times), f"the times of timeline {timeline.name!r} do not rise"
        assert all(map(math.isfinite, [*times, *timeline.values])), (
            f"timeline {timeline.name!r} is not finite"
        )
    if reading.stacks is not None:
        _check_tree(reading.stacks)
    for stat in reading.functions:
        assert 0 <= stat.self_value <= stat.total_value * (1 + 1e-9), f"{stat.frame}: self is above total"
    for edge in reading.edges:
        assert max(edge.caller, edge.callee) < len(reading.functions), f"{edge} is between unknown functions"
    for span in reading.spans:
        assert span.start_seconds <= span.end_seconds, f"span {span.name!r} ends before it starts"


def files_of(reading_json: dict[str, Any]) -> set[tuple[str, str]]:
    """Return (root label, path) of every frame in a reading's JSON form."""
    return {(root, path) for _function, path, _line, root in reading_json["frames"]}


def _check_tree(tree: StackTree) -> None:
    assert list(tree.parents)[:1] == [-1], "node 0 of the stacks must be the root, with parent -1"
    assert all(0 <= parent < node for node, parent in enumerate(tree.parents) if node), (
        "a node precedes its parent"
    )
    assert len(tree.frame_ids) == len(tree.parents)
    assert all(0 <= each < len(tree.frames) for each in list(tree.frame_ids)[1:])
    assert len(tree.self_values) == len(tree.metrics)
    for metric, column in zip(tree.metrics, tree.self_values, strict=True):
        assert len(column) == len(tree.parents), f"{metric.name} has other values than there are nodes"
        assert all(0 <= value < math.inf for value in column), f"{metric.name} is negative or not finite"
