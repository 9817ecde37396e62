"""Compare two readings of one profiler by function: what grew, what shrank, in absolute values.

Nothing is scaled to a common duration or rate: a run that is twice as long shows twice the seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from attrs import evolve, frozen

from profilerkit.errors import CaptureError
from profilerkit.reading import Frame, Metric, Reading, StackTree
from profilerkit.stacks.fold import metrics, self_column
from profilerkit.stacks.match import matched
from profilerkit.stacks.names import THREAD_ROOT, shown_file
from profilerkit.stacks.prune import prune

SAME = 1e-13
"""A relative difference up to which sums of the same numbers are equal; whole numbers to 10^13 are exact."""

Values = dict[Frame, float]


@frozen
class DiffRow:
    """One function, with its own value in A and in B, in `unit`."""

    function: str
    file: str
    """Relative to its root; see `shown_file`."""
    a: float
    b: float
    unit: str
    own: bool

    @property
    def change(self) -> float:
        """Return by how much it grew from A to B."""
        return self.b - self.a


@frozen
class MetricDiff:
    """What a metric counts in A and in B, and the functions in which that differs."""

    metric: Metric
    a: float
    b: float
    functions: tuple[DiffRow, ...]
    """By their own values. These and what stands above all stacks add up to the whole."""
    own: tuple[DiffRow, ...]
    """Functions of the user's own code, with what packages count on their behalf; see `own_hot`."""

    @property
    def change(self) -> float:
        """Return by how much all of it grew from A to B."""
        return self.b - self.a


def diff(a: Reading, b: Reading, *, limit: int | None = None) -> tuple[MetricDiff, ...]:
    """Return the differences of every metric that both readings have, in the order of `a`.

    Rows come by the size of their change, largest first, at most `limit`; those without one are left
    out. Raises CaptureError when a reading holds numbers that are not finite.
    """
    standing_for = matched(_frames(a), _frames(b))
    known_b = {metric: number for number, metric in reversed(list(enumerate(metrics(b))))}
    known_a = {metric: number for number, metric in reversed(list(enumerate(metrics(a))))}
    found = []
    for metric, number in sorted(known_a.items(), key=lambda item: item[1]):
        if metric in known_b:
            sides = [
                _sums(reading, index, standing_for) for reading, index in ((a, number), (b, known_b[metric]))
            ]
            (all_a, functions_a, own_a), (all_b, functions_b, own_b) = sides
            rows = _rows(functions_a, functions_b, metric.unit)[:limit]
            own_rows = _rows(own_a, own_b, metric.unit)[:limit]
            _finite(all_b - all_a)
            found.append(MetricDiff(metric, all_a, all_b, rows, own_rows))
    return tuple(found)


@frozen
class MergedTree:
    """The stacks of A and of B as one tree whose nodes have the values of both.

    Frames have no line, and threads are not told apart: their names and number differ between runs.
    """

    metrics: tuple[Metric, ...]
    tree: StackTree
    """Its columns are these metrics in A, then the same in B."""

    def self_values(self, metric: int = 0) -> tuple[Sequence[float], Sequence[float]]:
        """Return the nodes' own values in A and in B."""
        return self.tree.self_values[metric], self.tree.self_values[metric + len(self.metrics)]

    def totals(self, metric: int = 0) -> tuple[list[float], list[float]]:
        """Return the nodes' values with their callees' in A and in B."""
        return self.tree.totals(metric), self.tree.totals(metric + len(self.metrics))

    def pruned(self, max_nodes: int) -> MergedTree:
        """Return it without its smallest parts; what is large in A or in B stays."""
        return evolve(self, tree=prune(self.tree, max_nodes))


def merged(a: StackTree, b: StackTree) -> MergedTree:
    """Return both trees as one, with the metrics that both have.

    Raises CaptureError when a number is not finite.
    """
    shared = tuple(dict.fromkeys(metric for metric in a.metrics if metric in b.metrics))
    standing_for = matched(a.frames, b.frames)
    frame_ids: dict[Frame, int] = {}
    nodes: dict[tuple[int, int], int] = {}
    parents, node_frames = [-1], [-1]
    columns: list[list[float]] = [[0.0] for _ in range(2 * len(shared))]
    for tree, first in ((a, 0), (b, len(shared))):
        taken = [(self_column(tree, tree.metrics.index(each)), first + n) for n, each in enumerate(shared)]
        ids = [frame_ids.setdefault(standing_for(frame), len(frame_ids)) for frame in tree.frames]
        places = [0]
        for node in range(1, len(tree.parents)):
            place, frame_id = places[tree.parents[node]], tree.frame_ids[node]
            if tree.frames[frame_id].root != THREAD_ROOT:
                key = (place, ids[frame_id])
                place = nodes.setdefault(key, len(parents))
                if place == len(parents):
                    parents.append(key[0])
                    node_frames.append(key[1])
                    for column in columns:
                        column.append(0.0)
            places.append(place)
        for values, number in taken:
            for place, value in zip(places, values, strict=True):
                columns[number][place] += value
    tree = StackTree((*shared, *shared), tuple(frame_ids), parents, node_frames, tuple(columns))
    return MergedTree(shared, tree)


def _frames(reading: Reading) -> Iterable[Frame]:
    tree = _stacks(reading)
    return [each.frame for each in reading.functions] if tree is None else tree.frames


def _stacks(reading: Reading) -> StackTree | None:
    return reading.stacks if "stacks" in reading.contents or not reading.functions else None


def _sums(
    reading: Reading, metric_index: int, standing_for: Callable[[Frame], Frame]
) -> tuple[float, Values, Values]:
    """Return what a metric counts altogether, by function, and by function of own code."""
    tree = _stacks(reading)
    if tree is None:
        pairs = [(standing_for(each.frame), each.self_value) for each in reading.functions]
        own = [(frame, value) for frame, value in pairs if frame.is_own]
        return _total(value for _, value in pairs), _by_function(pairs), _by_function(own)
    column = self_column(tree, metric_index)
    frames = [standing_for(frame) for frame in tree.frames]
    is_own = [frame.is_own for frame in frames]
    values, own_values = [0.0] * len(frames), [0.0] * len(frames)
    nearest = [-1]  # by node: the innermost frame of own code on its stack
    for node in range(1, len(column)):
        frame = tree.frame_ids[node]
        responsible = frame if is_own[frame] else nearest[tree.parents[node]]
        nearest.append(responsible)
        values[frame] += column[node]
        if responsible >= 0:
            own_values[responsible] += column[node]
    sums = (zip(frames, column, strict=True) for column in (values, own_values))
    by_function, by_own = map(_by_function, sums)
    return _total(column), by_function, by_own


def _total(values: Iterable[float]) -> float:
    try:
        return _finite(math.fsum(values))
    except (OverflowError, ValueError):
        return _finite(math.nan)


def _by_function(pairs: Iterable[tuple[Frame, float]]) -> Values:
    """Add up by function; the pseudo-frames that name a thread are none."""
    found: Values = {}
    for frame, value in pairs:
        if frame.root != THREAD_ROOT:
            found[frame] = found.get(frame, 0.0) + value
    for value in found.values():
        _finite(value)
    return found


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise CaptureError("The reading is damaged: its numbers, or their sums, are not finite.")
    return value


def _rows(a: Values, b: Values, unit: str) -> tuple[DiffRow, ...]:
    changed = []
    for frame in {**a, **b}:
        one, other = a.get(frame, 0.0), b.get(frame, 0.0)
        if not math.isclose(one, other, rel_tol=SAME):
            row = DiffRow(frame.function, shown_file(frame), one, other, unit, frame.is_own)
            _finite(row.change)
            changed.append((frame, row))
    changed.sort(key=lambda each: (-abs(each[1].change), each[1].file, each[0].function, each[0].root))
    return tuple(row for _, row in changed)
