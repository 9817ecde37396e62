"""Make a call tree smaller by leaving out its smallest parts."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from profilerkit.reading import StackTree
from profilerkit.stacks.fold import self_column


def prune(tree: StackTree, max_nodes: int) -> StackTree:
    """Return the tree with at most `max_nodes` nodes, the largest ones; the root always stays.

    A node's size is its total in whichever metric it has the largest share of. What a left-out
    subtree counts goes to the node it hung from, so the totals of every kept node are unchanged,
    and that node's own value may be too high. Raises CaptureError when a number is not finite.
    """
    count = len(tree.parents)
    if count <= max(1, max_nodes):
        return tree
    sizes = _sizes(tree)
    # A parent is at least as large as its child and comes before it: the largest ones hang together.
    largest = sorted(range(1, count), key=lambda node: (-sizes[node], node))[: max(0, max_nodes - 1)]
    kept = [0, *sorted(largest)]
    return _keep(tree, kept)


def _sizes(tree: StackTree) -> list[float]:
    """Return each node's largest share of any metric."""
    sizes = [0.0] * len(tree.parents)
    for metric in range(len(tree.metrics)):
        totals = _add_up(tree.parents, [abs(value) for value in self_column(tree, metric)])
        whole = totals[0] or 1.0
        sizes = [max(size, total / whole) for size, total in zip(sizes, totals, strict=True)]
    return sizes


def _add_up(parents: Sequence[int], values: list[float]) -> list[float]:
    for node in range(len(values) - 1, 0, -1):
        values[parents[node]] += values[node]
    return values


def _keep(tree: StackTree, kept: Sequence[int]) -> StackTree:
    columns = [list(column) for column in tree.self_values]
    new_ids = {old: new for new, old in enumerate(kept)}
    for node in range(len(tree.parents) - 1, 0, -1):
        if node not in new_ids:
            for column in columns:
                column[tree.parents[node]] += column[node]
    frame_ids = [tree.frame_ids[node] for node in kept]
    used = {old: new for new, old in enumerate(dict.fromkeys(frame_ids[1:]))}
    return evolve(
        tree,
        frames=tuple(tree.frames[each] for each in used),
        parents=[-1, *(new_ids[tree.parents[node]] for node in kept[1:])],
        frame_ids=[-1, *(used[each] for each in frame_ids[1:])],
        self_values=tuple([column[node] for node in kept] for column in columns),
    )
