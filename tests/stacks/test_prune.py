"""Test that pruning drops the smallest parts and keeps every total."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from trees import path_to, trees

from profilerkit.reading import StackTree
from profilerkit.stacks.prune import prune
from profilerkit.testing.checks import check_reading
from profilerkit.testing.readings import Reading, chain, plain_tree, random_tree


def kept_totals(tree: StackTree, metric: int) -> list[tuple[tuple[object, ...], float]]:
    """Return each node's path with its total, in an order of its own."""
    totals = tree.totals(metric)
    return sorted((tuple(map(repr, path_to(tree, node))), totals[node]) for node in range(len(totals)))


@given(trees(), st.integers(1, 30))
def test_kept_nodes_keep_their_totals(tree: StackTree, max_nodes: int) -> None:
    """Whatever is left out, the totals of the rest and of the whole are unchanged."""
    pruned = prune(tree, max_nodes)
    check_reading(Reading(stacks=pruned))
    assert len(pruned.parents) == min(max_nodes, len(tree.parents))
    for metric in range(len(tree.metrics)):
        before = kept_totals(tree, metric)
        for each in kept_totals(pruned, metric):
            before.remove(each)
        assert pruned.totals(metric)[0] == tree.totals(metric)[0]


@given(trees(min_nodes=3), st.integers(2, 29))
def test_nothing_larger_is_left_out(tree: StackTree, max_nodes: int) -> None:
    """Every node that is left out is at most as large as each one that is kept."""
    pruned = prune(tree, max_nodes)
    shares = sorted(all_shares(tree), reverse=True)
    assert sorted(all_shares(pruned), reverse=True) == shares[: len(pruned.parents)]


def all_shares(tree: StackTree) -> list[float]:
    """Return each node's largest share of any metric."""
    totals = [tree.totals(metric) for metric in range(len(tree.metrics))]
    return [max(column[node] / (column[0] or 1.0) for column in totals) for node in range(len(tree.parents))]


def test_what_is_left_out_goes_to_the_parent() -> None:
    """A subtree's value becomes the own value of the node it hung from."""
    pruned = prune(plain_tree(), 3)
    assert [frame.function for frame in pruned.frames] == ["main", "load"]
    assert list(pruned.self_values[0]) == [0.0, 596.0, 3500.0]


def test_a_small_tree_is_unchanged() -> None:
    """Pruning to the size that a tree has, or more, gives it back."""
    tree = plain_tree()
    assert prune(tree, len(tree.parents)) is tree


def test_only_the_root_may_be_left() -> None:
    """Pruning to one node leaves the whole in the root."""
    pruned = prune(plain_tree(), 1)
    assert (list(pruned.parents), list(pruned.self_values[0]), pruned.frames) == ([-1], [4096.0], ())


def test_deep_and_large_trees() -> None:
    """Depth beyond Python's own and many nodes are no trouble."""
    assert prune(chain(20_000), 100).totals()[0] == 20_001.0
    large = random_tree(20_000)
    assert prune(large, 500).totals()[0] == large.totals()[0]
