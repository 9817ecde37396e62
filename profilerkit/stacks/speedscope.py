"""Turn a call tree into a file for the viewer speedscope.

The format is that of https://www.speedscope.app/file-format-schema.json.
"""

from __future__ import annotations

from typing import Any

from profilerkit._version import __version__
from profilerkit.reading import Frame, StackTree
from profilerkit.stacks.flamegraph import compact
from profilerkit.stacks.fold import self_column
from profilerkit.stacks.names import shown_file
from profilerkit.stacks.prune import prune

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
UNITS = {"bytes": "bytes", "seconds": "seconds"}


def speedscope(tree: StackTree, name: str, *, max_entries: int = 5_000_000) -> dict[str, Any]:
    """Return the speedscope file called `name`: a sampled profile for each metric.

    The format repeats a stack's every frame in each of its samples, so deep stacks make it large:
    the smallest nodes are left out until all samples have at most `max_entries` frames together.
    """
    shown = _fit(tree, max_entries)
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": f"profilerkit {__version__}",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(frame) for frame in shown.frames]},
        "profiles": [_profile(shown, metric) for metric in range(len(shown.metrics))],
    }


def _fit(tree: StackTree, max_entries: int) -> StackTree:
    while len(tree.parents) > 1 and _count_entries(tree) > max_entries:
        tree = prune(tree, len(tree.parents) // 2)
    return tree


def _count_entries(tree: StackTree) -> int:
    depths = _depths(tree)
    return sum(
        depth for column in tree.self_values for depth, value in zip(depths, column, strict=True) if value > 0
    )


def _depths(tree: StackTree) -> list[int]:
    depths = [0] * len(tree.parents)
    for node in range(1, len(depths)):
        depths[node] = depths[tree.parents[node]] + 1
    return depths


def _frame(frame: Frame) -> dict[str, Any]:
    data: dict[str, Any] = {"name": frame.function}
    if frame.path:
        data["file"] = shown_file(frame)
    if frame.line > 0:
        data["line"] = frame.line
    return data


def _profile(tree: StackTree, metric: int) -> dict[str, Any]:
    column = self_column(tree, metric)
    nodes = [node for node in range(len(column)) if column[node] > 0]
    weights = compact(column[node] for node in nodes)
    return {
        "type": "sampled",
        "name": tree.metrics[metric].name,
        "unit": UNITS.get(tree.metrics[metric].unit, "none"),
        "startValue": 0,
        "endValue": sum(weights),
        "samples": [_stack(tree, node) for node in nodes],
        "weights": weights,
    }


def _stack(tree: StackTree, node: int) -> list[int]:
    """Return the frames from the root's callee down to `node`."""
    stack = []
    while node > 0:
        stack.append(tree.frame_ids[node])
        node = tree.parents[node]
    return stack[::-1]
