"""Make the reports that fit every profiler whose reading has what they need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, field, validators

from profilerkit.errors import CaptureError
from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit.reading import Reading, StackTree
from profilerkit.stacks.flamegraph import flamegraph
from profilerkit.stacks.fold import HotRow, hot, metrics, own_hot, whole
from profilerkit.stacks.names import printable
from profilerkit.stacks.speedscope import speedscope
from profilerkit.stacks.timeline import write_timelines
from profilerkit.stacks.units import format_share, format_value

# JSON may be put into a page: there, these would end a script or begin a comment.
JSON_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


@define
class FlamegraphDataRenderer(ReportRenderer):
    """The call tree as JSON, for whoever draws a flame graph."""

    title = "Flame graph data (JSON)"
    filename = "flamegraph.json"
    max_nodes: int = field(default=50_000, metadata={"help": "keep at most this many nodes; 0 keeps all"})

    def accepts(self, capture: Capture) -> bool:
        """Accept whatever has stacks."""
        return _has(capture, "stacks")

    def render(self, source: Source, target: Path) -> None:
        """Write the data described in the reference of the reports."""
        _write_json(flamegraph(_stacks(source), self.max_nodes), target)


@define
class SpeedscopeRenderer(ReportRenderer):
    """The call tree for speedscope."""

    title = "Speedscope"
    filename = "speedscope.json"
    max_entries: int = field(
        default=5_000_000, metadata={"help": "keep at most this many frames in all samples together"}
    )

    def accepts(self, capture: Capture) -> bool:
        """Accept whatever has stacks."""
        return _has(capture, "stacks")

    def render(self, source: Source, target: Path) -> None:
        """Write a sampled profile for each metric."""
        name = f"{source.recording.subject} ({source.capture.profiler})"
        _write_json(speedscope(_stacks(source), name, max_entries=self.max_entries), target)


@define
class TimelineRenderer(ReportRenderer):
    """Every number over time as CSV."""

    title = "Timelines (CSV)"
    filename = "timeline.csv"

    def accepts(self, capture: Capture) -> bool:
        """Accept whatever has timelines."""
        return _has(capture, "timelines")

    def render(self, source: Source, target: Path) -> None:
        """Write one row a value."""
        with target.open("w", encoding="utf-8", newline="") as file:
            write_timelines(source.reading.timelines, file)


@define
class HotRenderer(ReportRenderer):
    """The hottest functions, and the lines of own code behind them, as text."""

    title = "Hot functions"
    filename = "hot.txt"
    limit: int = field(
        default=50,
        validator=validators.ge(1),
        metadata={"help": "show at most this many rows of each table"},
    )

    def accepts(self, capture: Capture) -> bool:
        """Accept whatever has stacks or a table of functions."""
        return _has(capture, "stacks", "functions")

    def render(self, source: Source, target: Path) -> None:
        """Write two tables for each metric."""
        blocks = [
            block
            for metric_index in range(len(metrics(source.reading)))
            for block in self._blocks(source.reading, metric_index)
        ]
        blocks += [f"Note: {printable(note)}" for note in source.reading.notes]
        target.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")

    def _blocks(self, reading: Reading, metric_index: int) -> Iterable[str]:
        metric = metrics(reading)[metric_index]
        total = whole(reading, metric_index)
        yield f"{printable(metric.name)}: {printable(format_value(total, metric.unit))} in total"
        yield _table(
            "Lines of your own code, with what others did for them",
            own_hot(reading, metric_index, limit=self.limit),
            total,
        )
        yield _table("Functions (* is your own code)", hot(reading, metric_index, limit=self.limit), total)


def _has(capture: Capture, *parts: str) -> bool:
    return any(part in (capture.contents or ()) for part in parts)


def _stacks(source: Source) -> StackTree:
    tree = source.reading.stacks
    if tree is None:
        raise CaptureError(f"The capture of {source.capture.profiler} has no stacks.")
    return tree


def _write_json(data: dict[str, Any], target: Path) -> None:
    try:
        text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise CaptureError("The reading is damaged: it holds numbers that are not finite.") from error
    target.write_text(text.translate(JSON_ESCAPES), encoding="ascii")


def _table(heading: str, rows: list[HotRow], total: float) -> str:
    lines = [heading, f"{'self':>12} {'':>6} {'total':>12} {'':>6}    function (file:line)"]
    lines += [_line(row, total) for row in rows] or ["(none)"]
    return "\n".join(line.rstrip() for line in lines)


def _line(row: HotRow, total: float) -> str:
    numbers = [
        f"{printable(format_value(value, row.unit)):>12} {format_share(value, total):>6}"
        for value in (row.self_value, row.total_value)
    ]
    place = f"{row.file}:{row.line}" if row.line > 0 else row.file
    return f"{' '.join(numbers)}  {'*' if row.own else ' '} {printable(row.function)} ({printable(place)})"
