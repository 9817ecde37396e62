"""Work out what the page that compares two recordings shows."""

from __future__ import annotations

from typing import Any

from profilerkit.codec import recording_to_json
from profilerkit.comparison import Side, compare, side
from profilerkit.comparison_views import diff_json
from profilerkit.errors import ProfilerKitError
from profilerkit.render import StoreShelf
from profilerkit.stacks.diff import MergedTree, merged
from profilerkit.stacks.flamegraph import FORMAT, compact
from profilerkit.stacks.names import shown_file

ROWS = 100
MOST_NODES = 50_000


def contrast(a: StoreShelf, b: StoreShelf) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return what differs, and by profiler the stacks of both in one tree."""
    sides = side(a), side(b)
    found = {
        **diff_json(compare(*sides, limit=ROWS)),
        "recordings": [recording_to_json(each.recording).decode("ascii") for each in sides],
        "own_files": sorted(_own_files(*sides)),
    }
    flames = {}
    for name in sides[0].readings.keys() & sides[1].readings.keys():
        stacks = [each.readings[name].stacks for each in sides]
        if stacks[0] is None or stacks[1] is None:
            continue
        try:
            tree = merged(stacks[0], stacks[1])
        except ProfilerKitError:
            continue  # the comparison says why
        if tree.metrics and len(tree.tree.parents) > 1:
            flames[name] = flame(tree)
    return found, flames


def _own_files(*sides: Side) -> set[str]:
    trees = [reading.stacks for each in sides for reading in each.readings.values() if reading.stacks]
    return {shown_file(frame) for tree in trees for frame in tree.frames if frame.is_own}


def flame(found: MergedTree, max_nodes: int = MOST_NODES) -> dict[str, Any]:
    """Return the data of a flame graph of two: `self` and `total` of B, `base_self` and `base_total` of A."""
    drawn = found.pruned(max_nodes)
    tree, numbers = drawn.tree, range(len(drawn.metrics))
    selves = [drawn.self_values(number) for number in numbers]
    totals = [drawn.totals(number) for number in numbers]
    return {
        "format": FORMAT,
        "metrics": [{"name": metric.name, "unit": metric.unit} for metric in drawn.metrics],
        "nodes": {
            "parent": list(tree.parents),
            "frame": list(tree.frame_ids),
            "self": [compact(b) for _, b in selves],
            "total": [compact(b) for _, b in totals],
            "base_self": [compact(a) for a, _ in selves],
            "base_total": [compact(a) for a, _ in totals],
        },
        "frames": {
            "function": [frame.function for frame in tree.frames],
            "file": [shown_file(frame) for frame in tree.frames],
            "line": [frame.line for frame in tree.frames],
            "root": [frame.root for frame in tree.frames],
            "own": [int(frame.is_own) for frame in tree.frames],
        },
        "nodes_recorded": len(found.tree.parents),
    }
