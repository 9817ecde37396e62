"""Make memray's own pages of a capture: flame graphs of the peak, of leaks and over time, and a table.

A capture may come from anywhere and name any file. So no page shows a source line, and native frames are
looked up on the machine that recorded only: the files that somebody else's capture names are never opened.
"""

from __future__ import annotations

import dataclasses
import html
import inspect
import io
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from profilerkit.errors import CaptureError, UnavailableError
from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit.reading import StackTree
from profilerkit_memray.reader import NATIVE_ELSEWHERE, opened, refuse_native_elsewhere, require_capture
from profilerkit_memray.samples import samples_of

if TYPE_CHECKING:
    from memray import FileReader

MIB = 1 << 20
MOST_SAMPLES_OVER_TIME = 10_000
"""memray's own limit for its page over time, whose allocations refer to the samples of memory."""

LEAKS = (
    "This is what was allocated while the program was recorded, and not freed when the recording ended or "
    "broke off: what leaked, and also what the program still used or kept on purpose."
)
ARENAS = (
    "Small objects are seen here only as the arenas that Python keeps them in, which stay when the objects "
    "are gone. Record with -o memray.python_allocators=true to see the objects themselves."
)


class _Page(ReportRenderer):
    """What all pages have in common: they are of what this package has recorded."""

    def accepts(self, capture: Capture) -> bool:
        """Tell whether it is memray's."""
        return capture.profiler == "memray"


@define
class FlamegraphRenderer(_Page):
    """Make memray's flame graph of the peak.

    With native frames it is made from the reading, in which their names were resolved already.
    """

    title = "Flame graph of the peak (memray)"
    filename = "flamegraph.html"

    inverted: bool = field(
        default=False, metadata={"help": "Begin with the functions that allocated, and go to their callers."}
    )

    def render(self, source: Source, target: Path) -> None:
        """Write the page. Raises CaptureError, and UnavailableError where memray is too old."""
        with opened(source.folder, source.capture.versions) as reader:
            native = reader.metadata.has_native_traces
            metadata, memory = _metadata_and_memory(reader)
            peak = (
                _records(source)
                if native
                else reader.get_high_watermark_allocation_records(merge_threads=True)
            )
            report = _flamegraph_reporter().from_snapshot(
                peak,
                memory_records=memory,
                native_traces=native,
                inverted=self.inverted,
                confidential_files="all",
            )
            _write(report, target, metadata, inverted=self.inverted)


@define
class LeaksRenderer(_Page):
    """Make memray's flame graph of what was not freed."""

    title = "What was not freed at the end (memray's leaks)"
    filename = "leaks.html"

    inverted: bool = field(
        default=False, metadata={"help": "Begin with the functions that allocated, and go to their callers."}
    )

    def render(self, source: Source, target: Path) -> None:
        """Write the page. Raises CaptureError, and UnavailableError where memray is too old."""
        with opened(source.folder, source.capture.versions) as reader:
            refuse_native_elsewhere(reader, source)
            metadata, memory = _metadata_and_memory(reader)
            report = _flamegraph_reporter().from_snapshot(
                reader.get_leaked_allocation_records(merge_threads=True),
                memory_records=memory,
                native_traces=metadata.has_native_traces,
                inverted=self.inverted,
                confidential_files="all",
            )
            note = LEAKS if source.capture.options.get("python_allocators") else f"{LEAKS} {ARENAS}"
            _write(report, target, metadata, note, inverted=self.inverted, leaks=True)


@define
class TemporalRenderer(_Page):
    """Make memray's flame graph with a choice of the time, of captures that are small enough."""

    title = "Flame graph over time (memray)"
    filename = "temporal.html"

    inverted: bool = field(
        default=False, metadata={"help": "Begin with the functions that allocated, and go to their callers."}
    )
    max_capture_mib: float = field(
        default=32.0,
        metadata={"help": "Refuse a larger capture: this page needs 10 to 80 times its size in memory."},
    )

    def render(self, source: Source, target: Path) -> None:
        """Write the page. Raises CaptureError, also for a capture that is too large."""
        size_mib = require_capture(source.folder) / MIB
        if size_mib > self.max_capture_mib:
            raise CaptureError(
                f"This capture has {size_mib:.1f} MiB; of more than {self.max_capture_mib:g} MiB "
                "memray's flame graph over time takes gigabytes of memory.",
                "Use memray.timeline for memory over time, memray.flamegraph for the peak and memray.leaks "
                f"for what was left, or raise the limit: --option max_capture_mib={size_mib + 1:.0f}",
            )
        versions = source.capture.versions
        with opened(source.folder, versions, most_samples=MOST_SAMPLES_OVER_TIME) as reader:
            refuse_native_elsewhere(reader, source)
            metadata, _ = _metadata_and_memory(reader)
            records, peaks = reader.get_temporal_high_water_mark_allocation_records(merge_threads=True)
            report = _flamegraph_reporter().from_temporal_snapshot(
                records,
                memory_records=tuple(reader.get_memory_snapshots()),
                native_traces=metadata.has_native_traces,
                high_water_mark_by_snapshot=peaks,
                inverted=self.inverted,
                confidential_files="all",
            )
            _write(report, target, metadata, inverted=self.inverted)


@define
class TableRenderer(_Page):
    """Make memray's table of the peak, by the line that allocated."""

    title = "Table of the peak (memray)"
    filename = "table.html"

    def render(self, source: Source, target: Path) -> None:
        """Write the page. Raises CaptureError, and UnavailableError where memray is too old."""
        reporter = _table_reporter()
        with opened(source.folder, source.capture.versions) as reader:
            refuse_native_elsewhere(reader, source)
            metadata, memory = _metadata_and_memory(reader)
            report = reporter.from_snapshot(
                reader.get_high_watermark_allocation_records(merge_threads=True),
                memory_records=memory,
                native_traces=metadata.has_native_traces,
            )
            _write(report, target, metadata)


@frozen
class _Record:
    """A stack of the reading, as memray's reporter asks for it."""

    stack: tuple[tuple[str, str, int], ...]
    """Function, file and line, leaf first."""
    size: int
    n_allocations: int
    tid: int = -1
    """Threads are merged."""
    thread_name: str = ""

    def hybrid_stack_trace(self) -> tuple[tuple[str, str, int], ...]:
        return self.stack


def _records(source: Source) -> Iterator[_Record]:
    """Yield the stacks of the reading, whose native names are known, with files as they were recorded."""
    tree = source.reading.stacks
    if tree is None:
        raise CaptureError(f"There is nothing to draw: {NATIVE_ELSEWHERE}.")
    roots = source.recording.roots
    frames = [
        (each.function, f"{roots[each.root]}/{each.path}" if each.root in roots else each.path, each.line)
        for each in tree.frames
    ]
    for leaf, (size, count) in enumerate(zip(*tree.self_values[:2], strict=True)):
        if size or count:
            yield _Record(tuple(frames[each] for each in _stack(tree, leaf)), int(size), int(count))


def _stack(tree: StackTree, node: int) -> Iterator[int]:
    while node > 0:
        yield tree.frame_ids[node]
        node = tree.parents[node]


def _flamegraph_reporter() -> Any:
    """Return memray's reporter, if it can be told to open no file and to load nothing."""
    from memray.reporters.flamegraph import FlameGraphReporter

    _require(FlameGraphReporter.from_snapshot, "confidential_files")
    _require(FlameGraphReporter.render, "no_web")
    return FlameGraphReporter


def _table_reporter() -> Any:
    """Return memray's reporter, if it can be told to load nothing."""
    from memray.reporters.table import TableReporter

    _require(TableReporter.render, "no_web")
    return TableReporter


def _require(function: Any, parameter: str) -> None:
    if parameter not in inspect.signature(function).parameters:
        raise UnavailableError(
            f"memray {version('memray')} cannot make a page that opens no file and loads nothing.",
            'Install a newer one: pip install "memray>=1.20"',
        )


def _metadata_and_memory(reader: FileReader) -> tuple[Any, list[tuple[float, int, int]]]:
    """Return what memray knows of a recording, and the samples that its page draws, in milliseconds."""
    samples = samples_of(reader)
    metadata = reader.metadata
    if metadata.end_time <= metadata.start_time:
        # An interrupted capture does not say when it ended.
        ended = metadata.start_time + timedelta(seconds=samples.span_seconds)
        metadata = dataclasses.replace(metadata, end_time=ended)
    return metadata, [(seconds * 1000, rss, heap) for seconds, rss, heap in samples.points]


def _write(
    report: Any,
    target: Path,
    metadata: Any,
    note: str = "",
    *,
    inverted: bool = False,
    leaks: bool = False,
) -> None:
    """Write a page, with a note above what it shows."""
    page = io.StringIO()
    report.render(
        page, metadata=metadata, show_memory_leaks=leaks, merge_threads=True, inverted=inverted, no_web=True
    )
    box = f'<div class="alert alert-warning m-2" role="alert">{html.escape(note)}</div>' if note else ""
    text = page.getvalue()
    before = next(each for each in ('<main class="container-fluid">', "<body>", "") if each in text)
    target.write_text(text.replace(before, before + box, 1), encoding="utf-8")
