"""Add up a reading's numbers by function, and by line of the user's own code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import Factory, define, evolve, frozen

from profilerkit.errors import CaptureError
from profilerkit.reading import Frame, Metric, Reading, StackTree
from profilerkit.stacks.names import THREAD_ROOT, shown_file

Key = tuple[str, str, str, int]
"""What a row stands for: function, root, path, and a line where rows are by line."""


@frozen
class HotRow:
    """One function, or one line of own code, with what it counts in `unit`."""

    function: str
    file: str
    """Relative to its root; see `shown_file`."""
    line: int
    """Of a function: the line with the largest part of its value."""
    self_value: float
    total_value: float
    """Its own and its callees', recursion counted once."""
    unit: str
    own: bool


@define
class _Tally:
    frame: Frame
    self_value: float = 0.0
    total_value: float = 0.0
    lines: dict[int, tuple[float, float]] = Factory(dict)

    def add(self, line: int, self_value: float, total_value: float) -> None:
        self.self_value += self_value
        self.total_value += total_value
        self_there, total_there = self.lines.get(line, (0.0, 0.0))
        self.lines[line] = (self_there + self_value, total_there + total_value)

    def row(self, unit: str) -> HotRow:
        line = max(self.lines, key=lambda each: (*self.lines[each], -each))
        return HotRow(
            function=self.frame.function,
            file=shown_file(self.frame),
            line=line,
            self_value=self.self_value,
            total_value=self.total_value,
            unit=unit,
            own=self.frame.is_own,
        )


def hot(reading: Reading, metric_index: int = 0, *, limit: int = 50, by: str = "function") -> list[HotRow]:
    """Return the functions with the highest values of their own, highest first.

    `by` is `function`, `line` or `module`; a row of the last stands for a file and has no function. They
    are from the stacks, or from the table of functions where there are none. Pseudo-frames that name a
    thread are left out. Raises CaptureError when the reading holds numbers that are not finite.
    """
    tree = _stacks(reading)
    if tree is None:
        tallies: Iterable[_Tally] = _function_tallies(reading, metric_index, by)
        return _rank(tallies, _metric(reading, metric_index), limit, by)
    column = self_column(tree, metric_index)
    tallies = _tallies(tree, column, tree.totals(metric_index), key=_KEYS[by])
    return _rank(tallies, tree.metrics[metric_index], limit, by)


def own_hot(reading: Reading, metric_index: int = 0, *, limit: int = 50, by: str = "line") -> list[HotRow]:
    """Return the lines of the user's own code that are responsible for most, highest first.

    `by` is `line`, `function` or `module`.

    What a stack counts is credited to its innermost frame of own code, so `self_value` includes
    what packages did on that line's behalf. Stacks without own code are nobody's. Without stacks,
    these are the own functions alone. Raises CaptureError like `hot`.
    """
    tree = _stacks(reading)
    if tree is None:
        own = [each for each in _function_tallies(reading, metric_index, by) if each.frame.is_own]
        return _rank(own, _metric(reading, metric_index), limit, by)
    credited = _credit_to_own(tree, self_column(tree, metric_index))
    key = _KEYS[by]
    tallies = _tallies(
        tree, credited, tree.totals(metric_index), key=lambda frame: key(frame) if frame.is_own else None
    )
    return _rank(tallies, tree.metrics[metric_index], limit, by)


def metrics(reading: Reading) -> tuple[Metric, ...]:
    """Return the metrics that `hot` can be asked for, by index."""
    tree = _stacks(reading)
    if tree is not None:
        return tree.metrics
    return (reading.functions_metric or Metric("value", ""),) if reading.functions else ()


def whole(reading: Reading, metric_index: int = 0) -> float:
    """Return what a metric counts altogether, which shares are of."""
    tree = _stacks(reading)
    values = (
        (each.self_value for each in reading.functions) if tree is None else tree.self_values[metric_index]
    )
    return math.fsum(values)


def self_column(tree: StackTree, metric_index: int) -> list[float]:
    """Return a metric's own value of every node.

    Raises CaptureError when one of them is not finite: nothing can be added up then.
    """
    column = list(tree.self_values[metric_index])
    _check_finite(column)
    return column


def _stacks(reading: Reading) -> StackTree | None:
    tree = reading.stacks
    return tree if tree is not None and (len(tree.parents) > 1 or not reading.functions) else None


def _metric(reading: Reading, metric_index: int) -> Metric:
    known = metrics(reading)
    return known[metric_index] if known else Metric("value", "")


def _check_finite(values: Iterable[float]) -> None:
    if not all(map(math.isfinite, values)):
        raise CaptureError("The reading is damaged: it holds numbers that are not finite.")


def _by_function(frame: Frame) -> Key | None:
    return None if frame.root == THREAD_ROOT else (frame.function, frame.root, frame.path, 0)


def _by_line(frame: Frame) -> Key | None:
    return None if frame.root == THREAD_ROOT else (frame.function, frame.root, frame.path, frame.line)


def _by_module(frame: Frame) -> Key | None:
    return None if frame.root == THREAD_ROOT else ("", frame.root, frame.path, 0)


_KEYS: Mapping[str, Callable[[Frame], Key | None]] = {
    "function": _by_function,
    "line": _by_line,
    "module": _by_module,
}


def _credit_to_own(tree: StackTree, column: Sequence[float]) -> list[float]:
    """Move every node's value to itself or the nearest ancestor that is own code."""
    credited = [0.0] * len(column)
    nearest = [0] * len(column)
    for node in range(1, len(column)):
        own = tree.frames[tree.frame_ids[node]].is_own
        nearest[node] = node if own else nearest[tree.parents[node]]
        if nearest[node]:
            credited[nearest[node]] += column[node]
    return credited


def _tallies(
    tree: StackTree, column: Sequence[float], totals: Sequence[float], *, key: Callable[[Frame], Key | None]
) -> Iterable[_Tally]:
    keys = [key(frame) for frame in tree.frames]
    numbers = {each: number for number, each in enumerate(dict.fromkeys(keys))}
    groups = [numbers[each] for each in keys]
    tallies: dict[int, _Tally] = {}
    for node, outermost in enumerate(_outermost(tree, groups, count=len(numbers))):
        if node == 0 or keys[tree.frame_ids[node]] is None:
            continue
        frame = tree.frames[tree.frame_ids[node]]
        tally = tallies.setdefault(groups[tree.frame_ids[node]], _Tally(frame))
        tally.add(frame.line, column[node], totals[node] if outermost else 0.0)
    return tallies.values()


def _outermost(tree: StackTree, groups: Sequence[int], *, count: int) -> list[bool]:
    """Tell of each node whether no node above it is of the same group: recursion counts once.

    `groups` are by frame and below `count`. It walks without recursion, since stacks may be deeper
    than Python's own.
    """
    first_child, next_sibling = [0] * len(tree.parents), [0] * len(tree.parents)
    for node in range(len(tree.parents) - 1, 0, -1):
        parent = tree.parents[node]
        next_sibling[node], first_child[parent] = first_child[parent], node
    outermost = [True] * len(tree.parents)
    times_open = [0] * count
    path: list[int] = []
    node = first_child[0]
    while node:
        group = groups[tree.frame_ids[node]]
        outermost[node] = times_open[group] == 0
        times_open[group] += 1
        path.append(node)
        node = first_child[node]
        while path and not node:
            closed = path.pop()
            times_open[groups[tree.frame_ids[closed]]] -= 1
            node = next_sibling[closed]
    return outermost


def _function_tallies(reading: Reading, metric_index: int, by: str) -> list[_Tally]:
    if reading.functions and metric_index != 0:
        raise IndexError("a table of functions has one metric")
    tallies: dict[Key, _Tally] = {}
    for stat in reading.functions:
        _check_finite((stat.self_value, stat.total_value))
        key = _KEYS[by](stat.frame)
        if key is not None:
            tally = tallies.setdefault(key, _Tally(stat.frame))
            tally.add(stat.frame.line, stat.self_value, stat.total_value)
    return list(tallies.values())


def _rank(tallies: Iterable[_Tally], metric: Metric, limit: int, by: str) -> list[HotRow]:
    rows = [tally.row(metric.unit) for tally in tallies if tally.self_value or tally.total_value]
    if by == "module":
        rows = [evolve(row, function="", line=0) for row in rows]
    rows.sort(key=lambda row: (-row.self_value, -row.total_value, row.file, row.function, row.line))
    return rows[:limit]
