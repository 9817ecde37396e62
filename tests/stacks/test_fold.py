"""Test totals by function and by line of own code."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from trees import path_to, trees

from profilerkit.errors import CaptureError
from profilerkit.reading import Frame, FunctionStat, Metric, Reading, StackBuilder, StackTree
from profilerkit.stacks import HotRow, hot, own_hot
from profilerkit.stacks.fold import metrics, whole
from profilerkit.testing.readings import chain, plain_tree, several_metrics_tree

ROOTS = {"own": "/app", "site-packages": "/site-packages"}
MAIN = ("main", "/app/etl.py", 40)
WALK = ("walk", "/app/tree.py", 3)
WALK_DEEPER = ("walk", "/app/tree.py", 5)
READ = ("read_csv", "/site-packages/pandas/io.py", 900)


def reading_of(*stacks: tuple[list[tuple[str, str, int]], float]) -> Reading:
    """Return a reading of stacks in bytes."""
    builder = StackBuilder((Metric("heap", "bytes"),), roots=ROOTS)
    for stack, value in stacks:
        builder.add(stack, [value])
    return Reading(stacks=builder.build())


def test_functions_come_by_self_and_have_totals() -> None:
    """A function's self is its own, its total includes callees, and the highest self is first."""
    assert hot(Reading(stacks=plain_tree())) == [
        HotRow("read_csv", "pandas/io.py", 900, 3000.0, 3000.0, "bytes", own=False),
        HotRow("dumps", "stdlib/json/__init__.py", 230, 596.0, 596.0, "bytes", own=False),
        HotRow("load", "etl.py", 12, 500.0, 3500.0, "bytes", own=True),
        HotRow("main", "etl.py", 40, 0.0, 4096.0, "bytes", own=True),
    ]


def test_recursion_counts_once() -> None:
    """A function that calls itself has not a larger total than its outermost call."""
    reading = reading_of(
        ([MAIN, WALK], 10.0), ([MAIN, WALK, WALK_DEEPER], 5.0), ([MAIN, WALK, READ, WALK], 1.0)
    )
    (walk,) = [row for row in hot(reading) if row.function == "walk"]
    assert (walk.self_value, walk.total_value) == (16.0, 16.0)


def test_line_is_that_of_the_largest_part() -> None:
    """A function's row shows the line where most of its own value is."""
    reading = reading_of(([MAIN, WALK], 10.0), ([MAIN, WALK_DEEPER], 11.0))
    (walk, main) = hot(reading)
    assert (walk.function, walk.line, walk.self_value) == ("walk", 5, 21.0)
    assert (main.function, main.line) == ("main", 40)


def test_same_name_in_two_files_is_two_functions() -> None:
    """Functions are told apart by their file, and files by their root."""
    frames = (Frame("f", "a.py", 1, "own"), Frame("f", "a.py", 1, "own-2"), Frame("f", "b.py", 1, "own"))
    tree = StackTree(
        (Metric("heap", "bytes"),), frames, [-1, 0, 0, 0], [-1, 0, 1, 2], ([0.0, 3.0, 2.0, 1.0],)
    )
    assert [(row.file, row.self_value) for row in hot(Reading(stacks=tree))] == [
        ("a.py", 3.0),
        ("a.py", 2.0),
        ("b.py", 1.0),
    ]


def test_threads_are_not_functions() -> None:
    """The pseudo-frame over a thread's stacks is in no row, and what is under it is."""
    frames = (Frame("MainThread", "", 0, "thread"), Frame("main", "etl.py", 40, "own"))
    tree = StackTree((Metric("time", "seconds"),), frames, [-1, 0, 1], [-1, 0, 1], ([0.0, 1.0, 2.0],))
    assert [row.function for row in hot(Reading(stacks=tree))] == ["main"]
    assert [row.function for row in own_hot(Reading(stacks=tree))] == ["main"]


def test_own_lines_answer_for_what_they_call() -> None:
    """What a package takes is credited to the line of own code that called it."""
    reading = reading_of(
        ([MAIN, WALK, READ], 30.0), ([MAIN, WALK], 2.0), ([MAIN, WALK_DEEPER, READ], 4.0), ([READ], 9.0)
    )
    assert [(row.function, row.line, row.self_value, row.total_value) for row in own_hot(reading)] == [
        ("walk", 3, 32.0, 32.0),
        ("walk", 5, 4.0, 4.0),
        ("main", 40, 0.0, 36.0),
    ]


def test_a_table_of_functions_does_without_stacks() -> None:
    """Backends that know functions but no stacks get the same rows."""
    functions = (
        FunctionStat(Frame("main", "etl.py", 3, "own"), 0.5, 2.0, 1),
        FunctionStat(Frame("loads", "json/__init__.py", 299, "stdlib"), 1.5, 1.5, 10),
    )
    reading = Reading(functions=functions, functions_metric=Metric("time", "seconds"))
    assert [(row.function, row.self_value, row.total_value, row.unit) for row in hot(reading)] == [
        ("loads", 1.5, 1.5, "seconds"),
        ("main", 0.5, 2.0, "seconds"),
    ]
    assert [row.function for row in own_hot(reading)] == ["main"]
    assert (metrics(reading), whole(reading)) == ((Metric("time", "seconds"),), 2.0)


def test_each_metric_has_its_own_rows() -> None:
    """The second metric ranks by its own numbers and unit."""
    rows = hot(Reading(stacks=several_metrics_tree()), 1)
    assert [(row.function, row.self_value, row.unit) for row in rows] == [
        ("main", 2.5, "seconds"),
        ("walk", 0.375, "seconds"),
    ]


def test_limit_keeps_the_first() -> None:
    """Only as many rows as asked for come back."""
    assert [row.function for row in hot(Reading(stacks=plain_tree()), limit=1)] == ["read_csv"]


def test_nothing_gives_no_rows() -> None:
    """A reading without stacks and functions has no hot ones."""
    assert (hot(Reading()), own_hot(Reading()), metrics(Reading()), whole(Reading())) == ([], [], (), 0.0)


def test_stacks_may_be_deeper_than_python_s_own() -> None:
    """A stack of 20,000 frames is added up without recursion."""
    (row,) = hot(Reading(stacks=chain(20_000)))
    assert (row.self_value, row.total_value) == (20_000.0, 20_000.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    """Damaged numbers give an error in words, not a wrong ranking."""
    tree = StackTree((Metric("heap", "bytes"),), (Frame("f", "a.py"),), [-1, 0], [-1, 0], ([0.0, bad],))
    functions = (FunctionStat(Frame("f", "a.py"), bad, 1.0),)
    for reading in (Reading(stacks=tree), Reading(functions=functions)):
        for rows in (hot, own_hot):
            with pytest.raises(CaptureError, match="not finite"):
                rows(reading)


def function_of(frame: Frame) -> tuple[str, str, str]:
    """Return what makes two frames one function."""
    return frame.function, frame.root, frame.path


@given(trees())
def test_totals_are_those_of_the_plain_way(tree: StackTree) -> None:
    """Each function's self and total equal what walking every stack by itself gives."""
    for metric_index, column in enumerate(tree.self_values):
        expected: dict[tuple[str, str, str], list[float]] = {}
        for node in range(1, len(tree.parents)):
            path = [function_of(frame) for frame in path_to(tree, node) if frame.root != "thread"]
            for function in set(path):
                expected.setdefault(function, [0.0, 0.0])[1] += column[node]
            own = tree.frames[tree.frame_ids[node]]
            if own.root != "thread":
                expected[function_of(own)][0] += column[node]
        rows = hot(Reading(stacks=tree), metric_index, limit=1000)
        assert sorted((row.self_value, row.total_value) for row in rows) == sorted(
            (own_value, total) for own_value, total in expected.values() if total
        )


@given(trees())
def test_own_lines_share_what_happened_under_own_code(tree: StackTree) -> None:
    """All own lines' self values together are what stacks with own code count."""
    for metric_index, column in enumerate(tree.self_values):
        under_own = sum(
            column[node]
            for node in range(1, len(tree.parents))
            if any(frame.is_own for frame in path_to(tree, node))
        )
        rows = own_hot(Reading(stacks=tree), metric_index, limit=1000)
        assert sum(row.self_value for row in rows) == under_own
        assert all(row.self_value <= row.total_value for row in rows)
        assert [row.self_value for row in rows] == sorted((row.self_value for row in rows), reverse=True)
