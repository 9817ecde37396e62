"""Make call trees and readings for the property tests of this folder."""

from __future__ import annotations

from hypothesis import strategies as st

from profilerkit.reading import Edge, Frame, FunctionStat, Metric, Reading, Span, StackTree, Timeline

# Control and format characters, and the surrogates that stand for bytes in names of files (PEP 383).
odd_characters = st.characters(categories=["Cc", "Cf"]) | st.integers(0xDC80, 0xDCFF).map(chr)
any_text = st.text(max_size=12) | st.lists(odd_characters, max_size=4).map("".join)
numbers = st.floats(min_value=-1e12, max_value=1e12)
counts = st.integers(min_value=0, max_value=10**9)

frames = st.builds(
    Frame,
    function=st.sampled_from(["main", "load", "walk"]),
    path=st.sampled_from(["app.py", "lib/io.py", "/elsewhere/x.py"]),
    line=st.integers(min_value=0, max_value=3),
    root=st.sampled_from(["own", "own-2", "site-packages", "stdlib", "thread", ""]),
)
"""Few functions, so that stacks recurse and siblings share one."""

hostile_frames = st.builds(
    Frame,
    function=any_text,
    path=any_text,
    line=st.integers(0, 10**6),
    root=st.sampled_from(["own", "stdlib", ""]),
)


@st.composite
def trees(
    draw: st.DrawFn,
    frames: st.SearchStrategy[Frame] = frames,
    values: st.SearchStrategy[float] = counts,
    min_nodes: int = 1,
) -> StackTree:
    """Draw a tree of up to 30 nodes with one or two metrics; whole values, so that sums are exact."""
    known = tuple(draw(st.lists(frames, min_size=1, max_size=6, unique=True)))
    nodes = draw(st.integers(min_nodes, 30))
    metrics = draw(st.sampled_from([("bytes",), ("seconds", "count")]))
    columns = st.lists(values, min_size=nodes, max_size=nodes)
    return StackTree(
        metrics=tuple(Metric(f"metric in {unit}", unit) for unit in metrics),
        frames=known,
        parents=[-1, *(draw(st.integers(0, node - 1)) for node in range(1, nodes))],
        frame_ids=[-1, *(draw(st.integers(0, len(known) - 1)) for _ in range(1, nodes))],
        self_values=tuple(draw(columns) for _ in metrics),
    )


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """Draw a reading with any of its parts, and names of any kind."""
    functions = draw(
        st.lists(st.builds(FunctionStat, hostile_frames, numbers, numbers, st.none() | counts), max_size=4)
    )
    index = st.integers(0, max(0, len(functions) - 1))
    return Reading(
        summary=draw(st.dictionaries(any_text, st.none() | numbers, max_size=3)),
        timelines=tuple(draw(st.lists(timelines(), max_size=3))),
        stacks=draw(st.none() | trees(hostile_frames, numbers)),
        functions=tuple(functions),
        functions_metric=draw(st.none() | st.builds(Metric, any_text, any_text)),
        edges=tuple(draw(st.lists(st.builds(Edge, index, index, numbers, st.none() | counts), max_size=3))),
        spans=tuple(draw(st.lists(st.builds(Span, any_text, any_text, numbers, numbers), max_size=3))),
        notes=tuple(draw(st.lists(any_text, max_size=2))),
    )


@st.composite
def timelines(draw: st.DrawFn, values: st.SearchStrategy[float] = numbers) -> Timeline:
    """Draw a timeline with a name and a unit of any kind."""
    times = sorted(draw(st.lists(numbers, max_size=5)))
    column = draw(st.lists(values, min_size=len(times), max_size=len(times)))
    return Timeline(draw(any_text), draw(any_text), times, column)


def path_to(tree: StackTree, node: int) -> list[Frame]:
    """Return the frames from the root's callee to a node, the plain way."""
    path = []
    while node > 0:
        path.append(tree.frames[tree.frame_ids[node]])
        node = tree.parents[node]
    return path[::-1]
