"""Test that folded stacks are what the scripts that read them expect, whatever names there are."""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from trees import hostile_frames, numbers, path_to, trees

from profilerkit.errors import CaptureError
from profilerkit.reading import Frame, Metric, Reading, StackTree
from profilerkit.stacks.collapsed import write_collapsed
from profilerkit.stacks.exports import CollapsedRenderer
from profilerkit.testing import RendererTests
from profilerkit.testing.readings import chain, plain_tree, sample_source, several_metrics_tree

LINE = re.compile(r"^(.*)\s+?(\d+(?:\.\d*)?)$")
"""What flamegraph.pl takes a line for."""


class TestCollapsed(RendererTests):
    """The renderer; deep stacks are cut earlier here, to keep the files of this test small."""

    renderer_class = CollapsedRenderer
    options = {"max_entries": 200_000}


def written(tree: StackTree, metric: int = 0, *, lines: bool = True) -> str:
    """Return a tree's file."""
    file = io.StringIO()
    write_collapsed(tree, file, metric, lines=lines)
    return file.getvalue()


def rendered(renderer: CollapsedRenderer, reading: Reading, folder: Path) -> str:
    """Return the text of a report."""
    renderer.render(sample_source(reading, folder), folder / "report")
    return (folder / "report").read_text(encoding="utf-8")


def folded(text: str) -> Counter[tuple[str, ...]]:
    """Return what flamegraph.pl makes of a file: the count of each stack."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in text.split("\n")[:-1]:
        match = LINE.match(line)
        assert match, f"{line!r} is no stack"
        found[tuple(match[1].split(";"))] += int(match[2])
    assert text.endswith("\n")
    return found


@given(trees(hostile_frames, numbers))
def test_names_break_nothing(tree: StackTree) -> None:
    """Each stack has its count and as many frames as it had, whatever their names."""
    for index, metric in enumerate(tree.metrics):
        scale = 1_000_000 if metric.unit == "seconds" else 1
        depths: Counter[int] = Counter()
        for node, value in enumerate(tree.self_values[index]):
            depths[max(1, len(path_to(tree, node)))] += max(0, round(value * scale))
        found: Counter[int] = Counter()
        for stack, count in folded(written(tree, index)).items():
            assert all(name and name.isprintable() for name in stack)
            found[len(stack)] += count
        assert +found == +depths


def test_frames_are_functions_with_files_and_lines() -> None:
    """A frame shows its file as other reports do, and its line."""
    assert folded(written(plain_tree())) == {
        ("main (etl.py:40)", "load (etl.py:12)"): 500,
        ("main (etl.py:40)", "load (etl.py:12)", "read_csv (pandas/io.py:900)"): 3000,
        ("main (etl.py:40)", "dumps (stdlib/json/__init__.py:230)"): 596,
    }


def test_odd_frames() -> None:
    """A thread has no file; a separator is escaped; nameless frames and stacks have a name."""
    frames = (
        Frame("worker 1", "", 0, "thread"),
        Frame("a;b\nc", "x;y.py", 3, "own"),
        Frame("", "", 0),
    )
    tree = StackTree((Metric("n", "count"),), frames, [-1, 0, 1, 2], [-1, 0, 1, 2], ([5, 1, 2, 3],))
    assert written(tree) == (
        "<unknown stack> 5\n"
        "worker 1 1\n"
        "worker 1;a\\x3bb\\nc (x\\x3by.py:3) 2\n"
        "worker 1;a\\x3bb\\nc (x\\x3by.py:3);<unnamed> 3\n"
    )


def test_lines_can_be_put_together() -> None:
    """Without lines, what one function did at two of them adds up."""
    frames = (Frame("main", "etl.py", 40, "own"), Frame("main", "etl.py", 41, "own"))
    tree = StackTree((Metric("n", "count"),), frames, [-1, 0, 0], [-1, 0, 1], ([0, 2, 3],))
    assert folded(written(tree, lines=False)) == {("main (etl.py)",): 5}
    assert len(folded(written(tree))) == 2


def test_an_option_chooses_the_metric(tmp_path: Path) -> None:
    """The first metric is written unless another is named; seconds are microseconds."""
    reading = Reading(stacks=several_metrics_tree())
    assert sum(folded(rendered(CollapsedRenderer(), reading, tmp_path)).values()) == 3072
    times = folded(rendered(CollapsedRenderer(metric="wall time"), reading, tmp_path))
    assert sorted(times.values()) == [125_000, 250_000, 2_500_000]
    with pytest.raises(CaptureError, match=r"no metric 'cpu'.*\(there are: heap, wall time, allocations\)"):
        rendered(CollapsedRenderer(metric="cpu"), reading, tmp_path)


def test_what_rounds_to_nothing_is_left_out() -> None:
    """Less than half a microsecond is no stack; a tree of nothing else is a file all the same."""
    frames = (Frame("f", "a.py", 1),)
    tree = StackTree((Metric("t", "seconds"),), frames, [-1, 0], [-1, 0], ([0.0, 0.4e-6],))
    assert written(tree) == "<nothing> 0\n"


@pytest.mark.parametrize("max_entries", [10, 1_000, 100_000])
def test_deep_stacks_are_cut_only_to_a_size(max_entries: int, tmp_path: Path) -> None:
    """The option bounds the file, and what is cut is counted further up."""
    text = rendered(CollapsedRenderer(max_entries=max_entries), Reading(stacks=chain(5_000)), tmp_path)
    found = folded(text)
    assert sum(map(len, found)) <= max_entries + 1
    assert sum(found.values()) == 5_001


def test_damaged_numbers_are_an_error_in_words() -> None:
    """Numbers that are not finite make no file."""
    tree = StackTree((Metric("n", "count"),), (Frame("f", "a.py"),), [-1, 0], [-1, 0], ([0.0, math.nan],))
    with pytest.raises(CaptureError, match="not finite"):
        written(tree)


def test_without_stacks_there_is_no_file(tmp_path: Path) -> None:
    """Asked all the same, the renderer says what is missing."""
    with pytest.raises(CaptureError, match="no stacks"):
        rendered(CollapsedRenderer(), Reading(), tmp_path)
