"""Test what a comparison of two readings says grew and shrank, and that deployments match."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import path_to, trees

from profilerkit.errors import CaptureError
from profilerkit.reading import Frame, FunctionStat, Metric, Reading, StackBuilder, StackTree
from profilerkit.stacks.diff import DiffRow, MetricDiff, diff, merged
from profilerkit.stacks.match import matched
from profilerkit.testing.readings import HOSTILE_NAMES, chain, hostile_reading, random_tree

ROOTS = {"own": "/app", "site-packages": "/env/lib/python3.11/site-packages", "stdlib": "/usr/lib/python3.11"}
Call = tuple[str, str, int]
MAIN: Call = ("main", "/app/etl.py", 40)
LOAD: Call = ("load", "/app/etl.py", 12)
READ: Call = ("read_csv", "/env/lib/python3.11/site-packages/pandas/io.py", 900)
HEAP = Metric("heap", "bytes")


def reading_of(*stacks: tuple[list[Call], float], roots: Mapping[str, str] = ROOTS) -> Reading:
    """Return a reading of stacks in bytes."""
    builder = StackBuilder((HEAP,), roots=roots)
    for stack, value in stacks:
        builder.add(stack, [value])
    return Reading(stacks=builder.build())


def only(a: Reading, b: Reading) -> MetricDiff:
    """Return the difference of readings with one metric in common."""
    (found,) = diff(a, b)
    return found


def brief(rows: tuple[DiffRow, ...]) -> list[tuple[str, str, float, float]]:
    """Return what rows say without what is the same in all of them."""
    return [(row.function, row.file, row.a, row.b) for row in rows]


def test_what_grew_and_what_shrank() -> None:
    """Rows have absolute values of A and B, the largest change first, and none without a change."""
    a = reading_of(([MAIN, LOAD, READ], 30.0), ([MAIN, LOAD], 5.0), ([MAIN], 1.0))
    b = reading_of(([MAIN, LOAD, READ], 10.0), ([MAIN, LOAD], 50.0), ([MAIN], 1.0))
    found = only(a, b)
    assert found.functions == (
        DiffRow("load", "etl.py", 5.0, 50.0, "bytes", own=True),
        DiffRow("read_csv", "pandas/io.py", 30.0, 10.0, "bytes", own=False),
    )
    assert [row.change for row in found.functions] == [45.0, -20.0]
    assert (found.metric, found.a, found.b, found.change) == (HEAP, 36.0, 61.0, 25.0)


def test_own_code_answers_for_what_it_calls() -> None:
    """What packages took is credited to the own function that called them."""
    a = reading_of(([MAIN, LOAD, READ], 30.0), ([READ], 5.0))
    b = reading_of(([MAIN, LOAD, READ], 70.0), ([READ], 9.0))
    assert brief(only(a, b).own) == [("load", "etl.py", 30.0, 70.0)]


def test_lines_do_not_count() -> None:
    """A function that moved in its file has not changed."""
    moved = ("load", "/app/etl.py", 99)
    assert only(reading_of(([MAIN, LOAD], 5.0)), reading_of(([MAIN, moved], 5.0))).functions == ()


def test_new_and_gone() -> None:
    """A function that only one side has is compared with nothing."""
    found = only(reading_of(([MAIN], 5.0)), reading_of(([LOAD], 7.0)))
    assert brief(found.functions) == [("load", "etl.py", 0.0, 7.0), ("main", "etl.py", 5.0, 0.0)]


def test_nothing_is_scaled() -> None:
    """Twice the seconds in twice the time are twice the seconds."""
    metric = Metric("cpu", "seconds")
    sides = []
    for seconds in (1.0, 2.0):
        builder = StackBuilder((metric,), roots=ROOTS)
        builder.add([MAIN], [seconds])
        sides.append(Reading(summary={"wall_seconds": 10 * seconds}, stacks=builder.build()))
    assert brief(only(*sides).functions) == [("main", "etl.py", 1.0, 2.0)]


def test_limit_keeps_the_largest_changes() -> None:
    """Only so many rows come back; what the metric counts altogether stays whole."""
    a = reading_of(([MAIN], 5.0), ([LOAD], 7.0), ([READ], 1.0))
    (found,) = diff(a, reading_of(), limit=2)
    assert [row.function for row in found.functions] == ["load", "main"]
    assert (found.a, found.b) == (13.0, 0.0)


def test_tables_of_functions_are_compared_too() -> None:
    """Profilers without stacks get the same rows; a table has one metric."""
    time = Metric("time", "seconds")
    main, loads = Frame("main", "etl.py", 3, "own"), Frame("loads", "json/__init__.py", 299, "stdlib")
    a = Reading(
        functions=(FunctionStat(main, 0.5, 2.0), FunctionStat(loads, 1.5, 1.5)), functions_metric=time
    )
    b = Reading(functions=(FunctionStat(main, 0.75, 2.0),), functions_metric=time)
    found = only(a, b)
    assert brief(found.functions) == [
        ("loads", "stdlib/json/__init__.py", 1.5, 0.0),
        ("main", "etl.py", 0.5, 0.75),
    ]
    assert brief(found.own) == [("main", "etl.py", 0.5, 0.75)]
    assert (found.a, found.b) == (2.0, 0.75)


def test_only_metrics_of_both_are_compared() -> None:
    """A metric is its name and unit, wherever it stands; one that a side lacks is in no result."""
    cpu, wall = Metric("cpu", "seconds"), Metric("wall", "seconds")
    frames = (Frame("main", "etl.py", 1, "own"),)
    a = Reading(stacks=StackTree((cpu, wall), frames, [-1, 0], [-1, 0], ([0.0, 1.0], [0.0, 2.0])))
    b = Reading(stacks=StackTree((wall,), frames, [-1, 0], [-1, 0], ([0.0, 5.0],)))
    assert [(each.metric, each.a, each.b) for each in diff(a, b)] == [(wall, 2.0, 5.0)]
    assert diff(a, Reading()) == diff(Reading(), a) == ()


@pytest.mark.parametrize(
    ("roots_a", "file_a", "roots_b", "file_b"),
    [
        ({"own": "/app"}, "/app/etl/load.py", {"own": "/srv/v2"}, "/srv/v2/etl/load.py"),
        ({"own": "/app"}, "/app/load.py", {"own": "/bin", "own-2": "/app"}, "/app/load.py"),
        ({"own": "/app/jobs"}, "/app/jobs/load.py", {"own": "/app"}, "/app/jobs/load.py"),
        ({"own": "/app"}, "/app/lib/load.py", {"own": "/app/jobs"}, "/app/lib/load.py"),
        ({}, "/srv/1f3a/dags/load.py", {}, "/srv/9c20/dags/load.py"),
        ({}, "/old/load.py", {}, "/new/load.py"),
        ({}, "jobs/etl/load.py", {"own": "/srv"}, "/srv/etl/load.py"),
        ({"own": "/w"}, "/w/v1/lib/load.py", {"own": "/w"}, "/w/v2/lib/load.py"),
        ({"own": "/w"}, "/w/v1/lib/load.py", {"own": "/app"}, "/srv/v2/lib/load.py"),
        (
            {"site-packages": "/env/lib/python3.11/site-packages"},
            "/env/lib/python3.11/site-packages/pandas/io.py",
            {"site-packages": "/x", "site-packages-2": "/usr/lib/python3/dist-packages"},
            "/usr/lib/python3/dist-packages/pandas/io.py",
        ),
        (
            {"site-packages": "/env/lib/python3.11/site-packages"},
            "/env/lib/python3.11/site-packages/pandas/io.py",
            {"own": "/app"},
            "/app/.venv/lib/python3.12/site-packages/pandas/io.py",
        ),
        (
            {"stdlib": "/usr/lib/python3.11"},
            "/usr/lib/python3.11/json/decoder.py",
            {"stdlib": "/opt/lib/python3.12"},
            "/opt/lib/python3.12/json/decoder.py",
        ),
        ({"stdlib": "/usr/lib/python3.11"}, "/usr/lib/python3.11/csv.py", {}, "/usr/lib64/python3.13/csv.py"),
    ],
)  # fmt: skip
def test_deployments_match(
    roots_a: dict[str, str], file_a: str, roots_b: dict[str, str], file_b: str
) -> None:
    """The same code in another folder, under another root or another Python is the same code."""
    a = reading_of(([("load", file_a, 3)], 5.0), roots=roots_a)
    b = reading_of(([("load", file_b, 8)], 7.0), roots=roots_b)
    for one, other, values in ((a, b, (5.0, 7.0)), (b, a, (7.0, 5.0))):
        (row,) = only(one, other).functions
        assert (row.a, row.b) == values
    assert only(a, b).functions[0].file == only(b, a).functions[0].file


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([("load", "/app/one/io.py", 1)], [("load", "/app/two/io.py", 1)]),
        ([("<module>", "/old/a/__init__.py", 1)], [("<module>", "/new/b/__init__.py", 1)]),
        ([("load", "/old/io.py", 1)], [("load", "/x/io.py", 1), ("load", "/y/io.py", 1)]),
        ([("load", "/old/io.py", 1)], [("save", "/new/io.py", 1)]),
        ([("load", "/old/io.py", 1)], [READ]),
        ([("load", "<string>", 1)], [("load", "<stdin>", 1)]),
    ],
)
def test_other_code_does_not_match(a: list[Call], b: list[Call]) -> None:
    """Files that are merely called alike, or of which nobody knows which it is, stay apart."""
    sides = [reading_of(*(([call], 5.0) for call in side)) for side in (a, b)]
    assert len(only(sides[0], sides[1]).functions) == len(a) + len(b)


def test_own_code_stays_own_where_one_side_knows_it() -> None:
    """A file that only one side has under a root of own code is own code, and shown as there."""
    a = reading_of(([("load", "etl/load.py", 3)], 5.0), roots={})
    b = reading_of(([("load", "/srv/lib/etl/load.py", 8)], 7.0), roots={"own": "/srv"})
    for one, other in ((a, b), (b, a)):
        (row,) = only(one, other).functions
        assert (row.file, row.own) == ("lib/etl/load.py", True)


def test_what_is_there_on_both_sides_is_not_moved() -> None:
    """A file that both have matches itself, though another has the same end."""
    a = reading_of(([("load", "/old/io.py", 1)], 5.0), ([("load", "/new/io.py", 1)], 1.0))
    b = reading_of(([("load", "/new/io.py", 1)], 2.0))
    assert brief(only(a, b).functions) == [("load", "/old/io.py", 5.0, 0.0), ("load", "/new/io.py", 1.0, 2.0)]


def test_hostile_names_are_compared_like_others() -> None:
    """Whatever names hold, each function of a side is matched with itself."""
    hostile = hostile_reading()
    assert hostile.stacks is not None
    assert [each.functions for each in diff(hostile, hostile)] == [(), ()]
    nothing = Reading(stacks=StackTree(hostile.stacks.metrics, (), [-1], [-1], ([0.0], [0.0])))
    assert {row.function for row in diff(hostile, nothing)[0].functions} == set(HOSTILE_NAMES)


@pytest.mark.parametrize("bad", [[math.nan], [math.inf], [1e308, 1e308]])
def test_numbers_that_cannot_be_added_up_are_refused(bad: list[float]) -> None:
    """Damaged numbers give an error in words, in stacks and in tables."""
    frame = Frame("f", "a.py")
    count = len(bad)
    stacks = StackTree((HEAP,), (frame,), [-1, *[0] * count], [-1, *[0] * count], ([0.0, *bad],))
    table = tuple(FunctionStat(frame, each, 1.0) for each in bad)
    for reading in (Reading(stacks=stacks), Reading(functions=table, functions_metric=HEAP)):
        with pytest.raises(CaptureError, match="not finite"):
            diff(reading, reading)


def test_large_and_deep_readings() -> None:
    """Stacks deeper than Python's own, and many of them, are compared and merged without recursion."""
    deep = only(Reading(stacks=chain(20_000)), Reading(stacks=chain(10_000)))
    assert brief(deep.functions) == [("recurse", "deep.py", 20_000.0, 10_000.0)]
    large = random_tree(20_000)
    both = merged(large, large)
    assert both.totals(0)[0] == both.totals(0)[1]
    assert both.totals(0)[0][0] == large.totals()[0]


def functions_of(tree: StackTree, column: list[float]) -> float:
    """Return what functions count, without what stands at the root or at a thread's name."""
    return sum(
        column[node]
        for node in range(1, len(tree.parents))
        if tree.frames[tree.frame_ids[node]].root != "thread"
    )


@given(trees())
def test_no_reading_differs_from_itself(tree: StackTree) -> None:
    """There is no row, and both sides have the same whole."""
    for each in diff(Reading(stacks=tree), Reading(stacks=tree)):
        assert (each.functions, each.own, each.change) == ((), (), 0.0)


@given(trees(), trees())
def test_turned_round_changes_are_turned_round(a: StackTree, b: StackTree) -> None:
    """B compared with A has the same rows, with what grew and what shrank exchanged."""
    there, back = (diff(Reading(stacks=one), Reading(stacks=two)) for one, two in ((a, b), (b, a)))
    assert {each.metric: (each.functions, each.own) for each in there} == {
        each.metric: tuple(
            tuple(DiffRow(row.function, row.file, row.b, row.a, row.unit, row.own) for row in rows)
            for rows in (each.functions, each.own)
        )
        for each in back
    }


@given(trees(), trees())
def test_changes_add_up_to_the_whole_change(a: StackTree, b: StackTree) -> None:
    """All rows together are the difference of what functions count; values are those of each side."""
    for each in diff(Reading(stacks=a), Reading(stacks=b)):
        columns = [list(tree.self_values[tree.metrics.index(each.metric)]) for tree in (a, b)]
        assert (each.a, each.b) == tuple(map(sum, columns))
        expected = functions_of(b, columns[1]) - functions_of(a, columns[0])
        assert sum(row.change for row in each.functions) == expected
        changes = [abs(row.change) for row in each.functions]
        assert changes == sorted(changes, reverse=True)
        assert 0 not in changes


@given(trees(), trees())
def test_own_changes_add_up_to_what_happened_under_own_code(a: StackTree, b: StackTree) -> None:
    """All own rows together are the difference of what stacks with own code count.

    What is own code on one side is so on the other.
    """
    standing_for = matched(a.frames, b.frames)

    def under_own(tree: StackTree, column: list[float]) -> float:
        return sum(
            column[node]
            for node in range(1, len(column))
            if any(standing_for(frame).is_own for frame in path_to(tree, node))
        )

    for each in diff(Reading(stacks=a), Reading(stacks=b)):
        whole = [under_own(tree, list(tree.self_values[tree.metrics.index(each.metric)])) for tree in (a, b)]
        assert sum(row.change for row in each.own) == whole[1] - whole[0]


@given(trees(), trees())
def test_a_merged_tree_has_the_values_of_both(a: StackTree, b: StackTree) -> None:
    """Wholes are kept, no two siblings are one function, and no thread is left."""
    both = merged(a, b)
    tree = both.tree
    for number, metric in enumerate(both.metrics):
        for side, totals in zip((a, b), both.totals(number), strict=True):
            assert totals[0] == sum(side.self_values[side.metrics.index(metric)])
    assert all(parent < node for node, parent in enumerate(tree.parents))
    siblings = list(zip(tree.parents, tree.frame_ids, strict=True))
    assert len(set(siblings)) == len(siblings)
    used = [tree.frames[each] for each in tree.frame_ids[1:]]
    assert [frame for frame in used if frame.line or frame.root == "thread"] == []


@given(trees(), st.integers(1, 10))
def test_a_merged_tree_is_pruned_after_the_union(tree: StackTree, most: int) -> None:
    """Wholes stay what they were with fewer nodes."""
    both = merged(tree, tree)
    smaller = both.pruned(most)
    assert len(smaller.tree.parents) <= most
    for metric in range(len(both.metrics)):
        assert [each[0] for each in smaller.totals(metric)] == [each[0] for each in both.totals(metric)]


def test_merged_stacks() -> None:
    """Stacks of both sides meet by function, whatever their lines and their threads."""
    a = reading_of(([MAIN, LOAD, READ], 30.0), ([MAIN], 1.0)).stacks
    roots = {**ROOTS, "own": "/srv", "thread": "(threads)"}
    thread = ("thread MainThread", "(threads)/", 0)
    main, load, save = ("main", "/srv/etl.py", 41), ("load", "/srv/etl.py", 13), ("save", "/srv/etl.py", 80)
    b = reading_of(([thread, main, load], 7.0), ([thread, main, save], 5.0), roots=roots).stacks
    assert a is not None
    assert b is not None
    both = merged(a, b)
    self_a, self_b = both.self_values()
    found = {
        tuple(frame.function for frame in path_to(both.tree, node)): (self_a[node], self_b[node])
        for node in range(1, len(both.tree.parents))
    }
    assert found == {
        ("main",): (1.0, 0.0),
        ("main", "load"): (0.0, 7.0),
        ("main", "load", "read_csv"): (30.0, 0.0),
        ("main", "save"): (0.0, 5.0),
    }
    assert [each[0] for each in both.totals()] == [31.0, 12.0]
