"""Turn a call tree into the data that a flame graph is drawn from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from profilerkit.reading import StackTree
from profilerkit.stacks.fold import self_column
from profilerkit.stacks.names import shown_file
from profilerkit.stacks.prune import prune

FORMAT = 1


def flamegraph(tree: StackTree, max_nodes: int = 50_000) -> dict[str, Any]:
    """Return the data of `flamegraph.json`, described in the reference of the reports.

    With `max_nodes` 0 nothing is left out.
    """
    drawn = prune(tree, max_nodes) if max_nodes > 0 else tree
    metrics = range(len(drawn.metrics))
    return {
        "format": FORMAT,
        "metrics": [{"name": metric.name, "unit": metric.unit} for metric in drawn.metrics],
        "nodes": {
            "parent": list(drawn.parents),
            "frame": list(drawn.frame_ids),
            "self": [compact(self_column(drawn, metric)) for metric in metrics],
            "total": [compact(drawn.totals(metric)) for metric in metrics],
        },
        "frames": {
            "function": [frame.function for frame in drawn.frames],
            "file": [shown_file(frame) for frame in drawn.frames],
            "line": [frame.line for frame in drawn.frames],
            "root": [frame.root for frame in drawn.frames],
            "own": [int(frame.is_own) for frame in drawn.frames],
        },
        "nodes_recorded": len(tree.parents),
    }


def compact(values: Iterable[float]) -> list[float]:
    """Return whole numbers as integers, which are shorter in JSON and mean the same."""
    return [int(value) if value == value // 1 and abs(value) < 2**53 else value for value in values]
