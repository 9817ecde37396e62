"""Test the data that flame graphs are drawn from."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from trees import hostile_frames, trees

from profilerkit.reading import StackTree
from profilerkit.stacks.flamegraph import flamegraph
from profilerkit.stacks.renderers import FlamegraphDataRenderer
from profilerkit.testing.readings import (
    HOSTILE_NAMES,
    hostile_reading,
    plain_tree,
    random_tree,
    sample_source,
)

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "reports.md"


def test_nodes_and_frames_are_parallel_arrays() -> None:
    """A small tree gives exactly what the reference of the reports shows."""
    begin = "<!-- flamegraph.json -->\n```json\n"
    _, _, rest = REFERENCE.read_text(encoding="utf-8").partition(begin)
    assert json.loads(rest.partition("```")[0]) == flamegraph(plain_tree())


def test_only_the_largest_nodes_are_drawn() -> None:
    """The number of nodes is bounded, the whole is unchanged, and what was recorded is told."""
    tree = random_tree(5_000)
    data = flamegraph(tree, 100)
    assert [len(column) for column in (data["nodes"]["parent"], data["nodes"]["self"][0])] == [100, 100]
    assert data["nodes"]["total"][0][0] == sum(tree.self_values[0])
    assert data["nodes_recorded"] == 5_000


def test_nothing_is_left_out_when_asked() -> None:
    """With a limit of 0 every node is there."""
    assert len(flamegraph(random_tree(60_000), 0)["nodes"]["parent"]) == 60_000


def test_hostile_names_are_exact(tmp_path: Path) -> None:
    """Each name comes back from the file as it was, and could stand inside a page's script."""
    target = tmp_path / "flamegraph.json"
    FlamegraphDataRenderer().render(sample_source(hostile_reading(), tmp_path), target)
    text = target.read_text(encoding="ascii")
    assert set(HOSTILE_NAMES) <= set(json.loads(text)["frames"]["function"])
    assert not set(text) & set("<>&")


@given(trees(hostile_frames))
def test_numbers_fit_together(tree: StackTree) -> None:
    """Every total is the node's own value and its callees', for each metric."""
    data = json.loads(json.dumps(flamegraph(tree)))
    nodes = data["nodes"]
    for own, total in zip(nodes["self"], nodes["total"], strict=True):
        under = list(own)
        for node in range(len(under) - 1, 0, -1):
            under[nodes["parent"][node]] += under[node]
        assert total == under
    assert data["frames"]["function"] == [frame.function for frame in tree.frames]
