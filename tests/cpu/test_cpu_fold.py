"""The call tree that a recording folds its stacks into."""

from __future__ import annotations

import sys
from itertools import pairwise
from types import FrameType

from profilerkit_cpu.fold import ROOT, CallTree, LastStack
from profilerkit_cpu.timeline import MAX_POINTS, Timeline


def path_of(tree: CallTree, node: int) -> list[str]:
    """Return the functions from the root to a node."""
    names: list[str] = []
    while node != ROOT:
        names.insert(0, tree.frames[tree.frame_ids[node]][0])
        node = tree.parents[node]
    return names


def here() -> FrameType:
    """Return a frame of one line and one stack, each time that it is called from one place."""
    return sys._getframe()


def descend(depth: int) -> FrameType:
    """Return a frame that lies deeper."""
    return here() if depth == 0 else descend(depth - 1)


def make_tree(**limits: int) -> CallTree:
    """Return an empty tree."""
    return CallTree(("cpu",), **{"max_depth": 512, "max_nodes": 10_000, **limits})


def test_the_same_stack_is_the_same_node() -> None:
    """A stack met again, or met by another thread below the same node, makes no new nodes."""
    tree, last = make_tree(), LastStack(ROOT)
    frames = [descend(3) for _ in range(3)]
    nodes = {tree.fold(frame, last) for frame in frames[:2]} | {tree.fold(frames[2], LastStack(ROOT))}
    assert len(nodes) == 1


def test_stacks_are_root_first() -> None:
    """The node of a stack is reached from the root through its callers."""
    tree = make_tree()
    names = path_of(tree, tree.fold(descend(2), LastStack(ROOT)))
    assert names[-4:] == ["descend", "descend", "descend", "here"]


def test_going_back_and_forth() -> None:
    """After a deeper and another stack, a shallower one is found where it was."""
    tree, last = make_tree(), LastStack(ROOT)
    first, second = descend(1), descend(5)
    nodes = [tree.fold(frame, last) for frame in (first, second, first, second)]
    assert nodes[:2] == nodes[2:]
    assert [path_of(tree, node).count("descend") for node in nodes[:2]] == [2, 6]


def test_deep_stacks_keep_their_inner_frames() -> None:
    """Beyond the depth, outer frames are one frame that says so."""
    tree = make_tree(max_depth=10)
    names = path_of(tree, tree.fold(descend(50), LastStack(ROOT)))
    assert names == ["(outer frames left out)", *["descend"] * 9, "here"]


def test_a_full_tree_credits_the_caller() -> None:
    """When there is no room, the deepest node that is there stands for the rest, and the tree says so."""
    tree = make_tree(max_nodes=8)
    node = tree.fold(descend(50), LastStack(ROOT))
    assert (tree.node_count, tree.full) == (8, True)
    assert node == 7
    assert all(len(column) == 8 for column in tree.columns.values())


def test_timeline_is_bounded() -> None:
    """A timeline of days is thinned, and keeps its beginning and its end."""
    timeline = Timeline()
    for second in range(100_000):
        timeline.add(second, second / 2)
    times, cpu = timeline.until(100_000.5, 50_000.25)
    assert len(times) == len(cpu) <= MAX_POINTS + 2
    assert (times[0], times[-1]) == (0.0, 100_000.5)
    assert all(b > a for a, b in pairwise(times))
