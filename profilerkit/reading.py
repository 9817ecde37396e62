"""Define the neutral content of a capture, which every report that is not a backend's own is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import Factory, define, field, frozen

OWN = "own"
"""Root labels say whose code it is: `own`, or `own-2`, … for the user's; others belong to somebody else."""

UNKNOWN_ROOT = ""
"""The label of files under no known root; their path stays as it was."""

CODE_OF_COMMAND = "<string>"
"""The file name that Python gives to `-c CODE`."""


@frozen
class Frame:
    """One function at one line. `path` is relative to the root called `root`."""

    function: str
    path: str
    line: int = 0
    root: str = UNKNOWN_ROOT

    @property
    def is_own(self) -> bool:
        """Tell whether this is the user's code, not a package, the standard library or native code."""
        unknown = self.root == UNKNOWN_ROOT
        return self.root.startswith(OWN) or (unknown and self.path.startswith(("/", CODE_OF_COMMAND)))


@frozen
class Metric:
    """What the numbers of a stack tree or function table count."""

    name: str
    unit: str
    """`bytes`, `seconds` or `count`."""


@frozen
class Timeline:
    """One number over time."""

    name: str
    unit: str
    times_seconds: Sequence[float]
    """Since the recording began, rising."""
    values: Sequence[float]


@frozen
class StackTree:
    """Call stacks as a prefix tree. Node 0 is the root and has no frame.

    `parents[i] < i` for every node but the first; `frame_ids[i]` points into `frames`.
    `self_values[m][i]` is what metric `m` counts in node `i` itself, not in its callees.
    """

    metrics: tuple[Metric, ...]
    frames: tuple[Frame, ...]
    parents: Sequence[int]
    frame_ids: Sequence[int]
    self_values: tuple[Sequence[float], ...]

    def totals(self, metric: int = 0) -> list[float]:
        """Return for each node its own value and its callees'."""
        totals = list(self.self_values[metric])
        for node in range(len(totals) - 1, 0, -1):
            totals[self.parents[node]] += totals[node]
        return totals


@frozen
class FunctionStat:
    """One function's numbers, for backends that have no stacks (or have calls besides)."""

    frame: Frame
    self_value: float
    total_value: float
    calls: int | None = None


@frozen
class Edge:
    """A caller and a callee: indexes into `Reading.functions`, and what flowed between them."""

    caller: int
    callee: int
    value: float
    calls: int | None = None


@frozen
class Span:
    """A named stretch of time on one track."""

    name: str
    track: str
    start_seconds: float
    end_seconds: float


@frozen
class Reading:
    """The content of one capture. Any part may be absent; a partial capture gives what it has.

    `summary` holds numbers with their unit in the name (`peak_heap_bytes`), None where unknown.
    """

    summary: Mapping[str, float | None] = field(factory=dict)
    timelines: tuple[Timeline, ...] = ()
    stacks: StackTree | None = None
    functions: tuple[FunctionStat, ...] = ()
    functions_metric: Metric | None = None
    edges: tuple[Edge, ...] = ()
    spans: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know: what was cut, lost or could not be measured."""

    @property
    def contents(self) -> tuple[str, ...]:
        """Return which parts are there, for renderers to choose by."""
        parts = {
            "timelines": self.timelines,
            "stacks": self.stacks and len(self.stacks.parents) > 1,
            "functions": self.functions,
            "edges": self.edges,
            "spans": self.spans,
        }
        return tuple(name for name, part in parts.items() if part)


@define
class StackBuilder:
    """Fold stacks, root first, into a `StackTree`, while a capture is read."""

    metrics: tuple[Metric, ...]
    roots: Mapping[str, str] = field(factory=dict)
    _labels: list[tuple[str, str]] = field(init=False)
    _frame_ids: dict[Frame, int] = Factory(dict)
    _seen: dict[tuple[str, str, int], int] = Factory(dict)
    _nodes: dict[tuple[int, int], int] = Factory(dict)
    _parents: list[int] = Factory(lambda: [-1])
    _node_frames: list[int] = Factory(lambda: [-1])
    _values: list[list[float]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._labels = sorted(
            ((path.rstrip("/") + "/", label) for label, path in self.roots.items() if path),
            key=lambda pair: -len(pair[0]),
        )
        self._values = [[0.0] for _ in self.metrics]

    def frame(self, function: str, filename: str, line: int = 0) -> Frame:
        """Return the frame for an absolute file name, under the longest root that holds it."""
        for prefix, label in self._labels:
            if filename.startswith(prefix):
                return Frame(function, filename[len(prefix) :], line, label)
        return Frame(function, filename, line)

    def child(self, parent: int, function: str, filename: str, line: int = 0) -> int:
        """Return the node for a call from node `parent` (0 is the root), making it on first use."""
        key = (function, filename, line)
        frame_id = self._seen.get(key)
        if frame_id is None:
            frame_id = self._frame_ids.setdefault(self.frame(*key), len(self._frame_ids))
            self._seen[key] = frame_id
        node = self._nodes.get((parent, frame_id))
        if node is None:
            node = self._nodes[(parent, frame_id)] = len(self._parents)
            self._parents.append(parent)
            self._node_frames.append(frame_id)
            for values in self._values:
                values.append(0.0)
        return node

    def add(self, stack: Iterable[tuple[str, str, int]], values: Sequence[float]) -> None:
        """Add one stack of (function, absolute file name, line), root first, with a value a metric.

        Frames of the launcher below the user's first frame are left out.
        """
        node = 0
        for function, filename, line in stack:
            if node == 0 and is_launcher(filename):
                continue
            node = self.child(node, function, filename, line)
        self.add_to(node, values)

    def add_to(self, node: int, values: Sequence[float]) -> None:
        """Add one value a metric to a node got from `child`."""
        for metric, value in enumerate(values):
            self._values[metric][node] += value

    def build(self) -> StackTree:
        """Return the tree."""
        return StackTree(
            metrics=self.metrics,
            frames=tuple(self._frame_ids),
            parents=self._parents,
            frame_ids=self._node_frames,
            self_values=tuple(self._values),
        )


def is_launcher(filename: str) -> bool:
    """Tell whether a file is one of those that run the user's program for `profilerkit run`."""
    return filename.replace("\\", "/").endswith(("/profilerkit/launch.py", "/runpy.py", "<frozen runpy>"))
