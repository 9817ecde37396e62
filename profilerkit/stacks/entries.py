"""Bound the size of files whose format repeats a stack's every frame in each of its samples."""

from __future__ import annotations

from profilerkit.reading import StackTree
from profilerkit.stacks.prune import prune


def fit(tree: StackTree, max_entries: int) -> StackTree:
    """Return the tree without as many of its smallest nodes as it takes to fit.

    What is left has at most `max_entries` frames in all its samples together: one sample for each node
    that counts something itself, in any metric. Raises CaptureError when a number is not finite.
    """
    while len(tree.parents) > 1 and _count(tree) > max_entries:
        tree = prune(tree, len(tree.parents) // 2)
    return tree


def _count(tree: StackTree) -> int:
    depths = [0] * len(tree.parents)
    for node in range(1, len(depths)):
        depths[node] = depths[tree.parents[node]] + 1
    counted = zip(*tree.self_values, strict=True)
    return sum(depth for depth, values in zip(depths, counted, strict=False) if any(values))
