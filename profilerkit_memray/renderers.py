"""Make memray's own reports of a capture: its flame graph as a page, its statistics as text."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from profilerkit.errors import UnavailableError
from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit_memray.profiler import CAPTURE
from profilerkit_memray.reader import explained, opened, require_capture
from profilerkit_memray.samples import samples_of

if TYPE_CHECKING:
    from memray import FileReader
    from memray._stats import Stats

SIZE_CLASSES = tuple(1 << power for power in range(6, 31, 3))
"""Upper bounds in bytes of the classes that allocations are counted in: 64 B, 512 B, … 1 GiB."""
BAR_CHARACTERS = 40


class _OfMemray(ReportRenderer):
    """What both renderers have in common: they read what this package has recorded."""

    def accepts(self, capture: Capture) -> bool:
        """Tell whether it is memray's."""
        return capture.profiler == "memray"


@define
class FlamegraphRenderer(_OfMemray):
    """Make memray's flame graph of the peak, as one page that loads nothing.

    A capture may come from anywhere and name any file. So no source line is shown: the files that a
    capture names are never opened.
    """

    title = "Flame graph of the peak (memray)"
    filename = "flamegraph.html"

    inverted: bool = field(
        default=False, metadata={"help": "Begin with the functions that allocated, and go to their callers."}
    )

    def render(self, source: Source, target: Path) -> None:
        """Write the page. Raises CaptureError, and UnavailableError where memray is too old."""
        with opened(source.folder, source.capture.versions) as reader:
            reporter = _safe_reporter()
            metadata, memory = _metadata_and_memory(reader)
            report = reporter.from_snapshot(
                reader.get_high_watermark_allocation_records(merge_threads=True),
                memory_records=memory,
                native_traces=metadata.has_native_traces,
                inverted=self.inverted,
                confidential_files="all",
            )
            with target.open("w", encoding="utf-8") as page:
                report.render(
                    page,
                    metadata=metadata,
                    show_memory_leaks=False,
                    merge_threads=True,
                    inverted=self.inverted,
                    no_web=True,
                )


@define
class StatsRenderer(_OfMemray):
    """Write how much was allocated in all, in which sizes, and by which lines."""

    title = "Statistics (memray)"
    filename = "stats.txt"

    largest: int = field(default=10, metadata={"help": "How many lines of code to list."})

    @largest.validator
    def _at_least_one(self, _attribute: object, value: int) -> None:
        if value < 1:
            raise ValueError(f"largest is at least 1, not {value}")

    def render(self, source: Source, target: Path) -> None:
        """Write the text. Raises CaptureError."""
        require_capture(source.folder)
        try:
            from memray._memray import compute_statistics

            stats = compute_statistics(str(source.folder / CAPTURE), num_largest=self.largest)
        except MemoryError:
            raise
        except Exception as error:
            raise explained(error, source.capture.versions) from error
        target.write_text("\n".join(_lines(stats)) + "\n", encoding="utf-8")


def _safe_reporter() -> Any:
    """Return memray's reporter, if it can be told to open no file and to load nothing."""
    from memray.reporters.flamegraph import FlameGraphReporter

    can_hide_source = "confidential_files" in inspect.signature(FlameGraphReporter.from_snapshot).parameters
    can_embed = "no_web" in inspect.signature(FlameGraphReporter.render).parameters
    if not (can_hide_source and can_embed):
        raise UnavailableError(
            f"memray {version('memray')} cannot make a page that opens no file and loads nothing.",
            'Install a newer one: pip install "memray>=1.20"',
        )
    return FlameGraphReporter


def _metadata_and_memory(reader: FileReader) -> tuple[Any, list[tuple[float, int, int]]]:
    """Return what memray knows of a recording, and the samples that its page draws, in milliseconds."""
    samples = samples_of(reader)
    metadata = reader.metadata
    if metadata.end_time <= metadata.start_time:
        # An interrupted capture does not say when it ended.
        ended = metadata.start_time + timedelta(seconds=samples.span_seconds)
        metadata = dataclasses.replace(metadata, end_time=ended)
    return metadata, [(seconds * 1000, rss, heap) for seconds, rss, heap in samples.points]


def _lines(stats: Stats) -> Iterator[str]:
    total_bytes, count = stats.total_memory_allocated, stats.total_num_allocations
    seconds = (stats.metadata.end_time - stats.metadata.start_time).total_seconds()
    yield f"Peak heap            {_bytes(stats.peak_memory_allocated):>10}"
    yield f"Allocated in all     {_bytes(total_bytes):>10}  in {count:,} allocations"
    if seconds > 0:
        yield f"Recorded             {seconds:>8.2f} s  {_bytes(total_bytes / seconds)}/s"
    yield ""
    yield from _allocators(stats.allocation_count_by_allocator, count)
    yield from _sizes(stats.allocation_count_by_size, count)
    yield "Most bytes, by the line that allocated"
    for location, size in stats.top_locations_by_size:
        yield f"  {_bytes(size):>10}  {_percent(size, total_bytes)}  {_location(location)}"
    yield ""
    yield "Most allocations, by the line that allocated"
    for location, number in stats.top_locations_by_count:
        yield f"  {number:>12,}  {_percent(number, count)}  {_location(location)}"


def _allocators(counts: dict[str, int], total: int) -> Iterator[str]:
    yield "Allocators"
    for name, number in sorted(counts.items(), key=lambda item: -item[1]):
        yield f"  {name.lower():<16}  {number:>12,}  {_percent(number, total)}"
    yield ""


def _sizes(counts: dict[int, int], total: int) -> Iterator[str]:
    """Draw how many allocations there were of each size class, from the least to the greatest."""
    classes = dict.fromkeys((*SIZE_CLASSES, 0), 0)
    for size, number in counts.items():
        classes[next((bound for bound in SIZE_CLASSES if size <= bound), 0)] += number
    most = max(classes.values())
    largest = max((place for place, number in enumerate(classes.values()) if number), default=0)
    yield "Sizes of allocations"
    for bound, number in islice(classes.items(), largest + 1):
        label = f"up to {_bytes(bound)}" if bound else f"above {_bytes(SIZE_CLASSES[-1])}"
        bar = "█" * round(BAR_CHARACTERS * number / most) if most else ""
        yield f"  {label:<16}  {number:>12,}  {_percent(number, total)}  {bar}".rstrip()
    yield ""


def _location(location: tuple[str, str, int]) -> str:
    function, filename, line = location
    if function == "<unknown>":
        return "<unknown stack>"
    return f"{_plain(function)} ({_plain(filename)}:{line})"


def _plain(name: str) -> str:
    """Return a name on one line, without what a terminal would obey."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in name
    )


def _percent(part: float, whole: float) -> str:
    return f"{part / whole if whole else 0:>6.1%}"


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
