"""Build readings that try what reports must bear: hostile names, depth, size, emptiness."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from attrs import evolve, frozen

from profilerkit.model import Capture, Outcome, Recording, Status, Subject
from profilerkit.reading import Frame, FunctionStat, Metric, Reading, StackBuilder, StackTree, Timeline

HOSTILE_TAG = "pk-hostile"
"""An element or attribute of this name in a page means that a name was not escaped."""

HOSTILE_NAMES = (
    "two\nlines\r\nand more",
    "nul\x00byte",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "\x9b31mred",
    f"<{HOSTILE_TAG}>",
    f"</script><{HOSTILE_TAG}><script>alert(1)</script>",
    f"--></style></title></textarea><{HOSTILE_TAG}>",
    f'"><{HOSTILE_TAG} {HOSTILE_TAG}="',
    f"'><{HOSTILE_TAG}>",
    f'" {HOSTILE_TAG}="" onmouseover="alert(1)',
    "<!--<script>",
    "]]>",
    "{{ 7 * 7 }}${7 * 7}",
    "&lt;&#60;",
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1;1)",
    "  =1+1",
    "a;=1+1",
    "a\t=1+1",
    'a","=1+1',
    "../../etc/passwd",
    "/absolute",
    "%2e%2e%2f",
    "back\\slash",
    "emoji 😀👩‍💻",
    "\u202egnp.exe",
    "line\u2028separator",
    "lone \ud800 surrogate",
    "x" * 300,
    "",
)
"""Names of functions, files, metrics and timelines that somebody may choose."""


@frozen
class SampleSource:
    """A source of reports that is already at hand."""

    recording: Recording
    capture: Capture
    folder: Path
    reading: Reading
    elsewhere: bool = False


def sample_source(reading: Reading, folder: Path, *, profiler: str = "sample") -> SampleSource:
    """Return a source with this reading, of a recording with a hostile name."""
    capture = Capture(profiler, Status.COMPLETE, contents=reading.contents)
    recording = Recording(
        id="01980000-0000-7000-8000-000000000000",
        subject=Subject("script", {"name": f"</script><{HOSTILE_TAG}>\n\x1b[31m"}),
        status=Status.COMPLETE,
        outcome=Outcome.SUCCESS,
        started_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
        ended_at=datetime(2026, 1, 1, 0, 1, tzinfo=timezone.utc),
        captures=(capture,),
    )
    return SampleSource(recording, capture, folder, reading)


def sample_readings() -> Mapping[str, Reading]:
    """Return readings by what they try."""
    plain = plain_tree()
    nothing = tuple([0.0] * len(plain.parents) for _ in plain.metrics)
    return {
        "nothing": Reading(),
        "plain": Reading(summary={"peak_heap_bytes": 4096.0}, stacks=plain),
        "several metrics": Reading(stacks=several_metrics_tree()),
        "all zero": Reading(stacks=evolve(plain, self_values=nothing)),
        "hostile": hostile_reading(),
        "deep": Reading(stacks=chain(5_000)),
        "large": Reading(stacks=random_tree(20_000)),
        "functions": Reading(functions=_functions(), functions_metric=Metric("time", "seconds")),
        "functions without a metric": Reading(functions=_functions()),
        "timelines": Reading(
            timelines=(Timeline("rss", "bytes", [0.0, 0.5, 1.0], [1024.0, 4096.0, 2048.5]),)
        ),
        "timeline of one value": Reading(timelines=(Timeline("cpu", "seconds", [0.0], [0.0]),)),
        "timeline without values": Reading(timelines=(Timeline("cpu", "seconds", [], []),)),
    }


def plain_tree() -> StackTree:
    """Return a small tree of own code, a package, the standard library and a thread's name."""
    builder = StackBuilder(
        (Metric("heap", "bytes"),), roots={"own": "/app", "site-packages": "/site-packages", "stdlib": "/lib"}
    )
    main = ("main", "/app/etl.py", 40)
    load = ("load", "/app/etl.py", 12)
    read_csv = ("read_csv", "/site-packages/pandas/io.py", 900)
    builder.add([main, load, read_csv], [3000.0])
    builder.add([main, load], [500.0])
    builder.add([main, ("dumps", "/lib/json/__init__.py", 230)], [596.0])
    return builder.build()


def several_metrics_tree() -> StackTree:
    """Return a tree that counts memory, time and calls."""
    builder = StackBuilder(
        (Metric("heap", "bytes"), Metric("wall time", "seconds"), Metric("allocations", "count")),
        roots={"own": "/app"},
    )
    main = ("main", "/app/etl.py", 40)
    builder.add([main], [0.0, 2.5, 1.0])
    builder.add([main, ("walk", "/app/tree.py", 3)], [2048.0, 0.25, 7.0])
    builder.add([main, ("walk", "/app/tree.py", 3), ("walk", "/app/tree.py", 5)], [1024.0, 0.125, 2.0])
    return builder.build()


def hostile_reading() -> Reading:
    """Return a reading where every name is hostile."""
    roots = ("own", "", "site-packages")
    frames = tuple(
        Frame(name, HOSTILE_NAMES[i - 1], 1, roots[i % len(roots)]) for i, name in enumerate(HOSTILE_NAMES)
    )
    metrics = (Metric(HOSTILE_NAMES[5], "bytes"), Metric("time", HOSTILE_NAMES[2]))
    count = len(frames) + 1
    return Reading(
        summary={HOSTILE_NAMES[4]: 1.0, "peak_heap_bytes": None},
        timelines=tuple(Timeline(name, name, [0.0, 1.0], [1.0, -2.0]) for name in HOSTILE_NAMES),
        stacks=StackTree(
            metrics,
            frames,
            parents=[-1, *(node // 2 for node in range(1, count))],
            frame_ids=[-1, *range(count - 1)],
            self_values=tuple([float(node) for node in range(count)] for _ in metrics),
        ),
        functions=tuple(FunctionStat(frame, 1.0, 2.0, 3) for frame in frames),
        functions_metric=metrics[0],
        notes=HOSTILE_NAMES,
    )


def chain(depth: int) -> StackTree:
    """Return one stack as deep as `depth`, deeper than Python lets its own be."""
    return StackTree(
        (Metric("heap", "bytes"),),
        (Frame("recurse", "deep.py", 1, "own"), Frame("recurse", "deep.py", 2, "own")),
        parents=range(-1, depth),
        frame_ids=[-1, *(node % 2 for node in range(depth))],
        self_values=([1.0] * (depth + 1),),
    )


def random_tree(nodes: int, seed: int = 0) -> StackTree:
    """Return a tree of this many nodes, the same one for the same seed."""
    chance = random.Random(seed)
    frames = tuple(
        Frame(
            f"function_{i}", f"module_{i % 40}.py", i % 300, chance.choice(("own", "site-packages", "stdlib"))
        )
        for i in range(1000)
    )
    return StackTree(
        (Metric("heap", "bytes"), Metric("time", "seconds")),
        frames,
        parents=[-1, *(chance.randrange(max(0, node - 40), node) for node in range(1, nodes))],
        frame_ids=[-1, *(chance.randrange(len(frames)) for _ in range(1, nodes))],
        self_values=(
            [float(chance.randrange(100_000)) for _ in range(nodes)],
            [chance.random() for _ in range(nodes)],
        ),
    )


def _functions() -> tuple[FunctionStat, ...]:
    return (
        FunctionStat(Frame("main", "etl.py", 3, "own"), 0.5, 2.0, 1),
        FunctionStat(Frame("loads", "json/__init__.py", 299, "stdlib"), 1.5, 1.5, 10),
    )
