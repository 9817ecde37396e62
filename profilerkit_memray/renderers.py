"""Make the reports of a capture that are text: memray's statistics, and the call tree of the peak."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from profilerkit.errors import CaptureError
from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit.reading import StackTree
from profilerkit_memray.profiler import CAPTURE
from profilerkit_memray.reader import explained, opened, refuse_native_elsewhere, require_capture
from profilerkit_memray.words import percent, plain, size

if TYPE_CHECKING:
    from memray._stats import Stats

SIZE_CLASSES = tuple(1 << power for power in range(6, 31, 3))
"""Upper bounds in bytes of the classes that allocations are counted in: 64 B, 512 B, … 1 GiB."""
BAR_CHARACTERS = 40


@define
class StatsRenderer(ReportRenderer):
    """Write how much was allocated in all, in which sizes, and by which lines."""

    title = "Statistics (memray)"
    filename = "stats.txt"

    largest: int = field(default=10, metadata={"help": "How many lines of code to list."})

    @largest.validator
    def _at_least_one(self, _attribute: object, value: int) -> None:
        if value < 1:
            raise ValueError(f"largest is at least 1, not {value}")

    def accepts(self, capture: Capture) -> bool:
        """Tell whether it is memray's."""
        return capture.profiler == "memray"

    def render(self, source: Source, target: Path) -> None:
        """Write the text. Raises CaptureError."""
        require_capture(source.folder)
        if source.elsewhere:
            with opened(source.folder, source.capture.versions) as reader:
                refuse_native_elsewhere(reader, source)
        try:
            from memray._memray import compute_statistics

            stats = compute_statistics(str(source.folder / CAPTURE), num_largest=self.largest)
        except MemoryError:
            raise
        except Exception as error:
            raise explained(error, source.capture.versions) from error
        target.write_text("\n".join(_lines(stats)) + "\n", encoding="utf-8")


@define
class TreeRenderer(ReportRenderer):
    """Draw the call tree of the peak, with native frames where they were recorded."""

    title = "Call tree of the peak"
    filename = "tree.txt"

    min_percent: float = field(
        default=1.0, metadata={"help": "Leave out calls that hold less than this share of the bytes."}
    )
    max_lines: int = field(
        default=500, metadata={"help": "Leave out the smallest calls where there are more."}
    )
    max_indent: int = field(
        default=40, metadata={"help": "Draw calls nested deeper than this at that depth."}
    )

    def accepts(self, capture: Capture) -> bool:
        """Tell whether it is memray's, unless it is known to have no stacks."""
        return capture.profiler == "memray" and (capture.contents is None or "stacks" in capture.contents)

    def render(self, source: Source, target: Path) -> None:
        """Write the text. Raises CaptureError when there are no stacks."""
        tree = source.reading.stacks
        if tree is None:
            raise CaptureError("The capture has no stacks.")
        held, allocations = tree.totals(0), tree.totals(1)
        lines = [
            plain(str(source.recording.subject)),
            f"{size(held[0])} at the peak, in {allocations[0]:,.0f} allocations",
            "Calls marked > are your own code.",
            "",
            f"{'bytes':>10} {'':>6} {'allocations':>12}",
            *self._calls(tree, held, allocations),
            *(line for note in source.reading.notes for line in ("", f"Note: {plain(note)}")),
        ]
        target.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")

    def _calls(self, tree: StackTree, held: list[float], allocations: list[float]) -> Iterator[str]:
        children = self._drawn(tree, held)
        # Not recursive: a stack may be deeper than Python lets a function call itself.
        waiting = [(each, "", "") for each in reversed(children.get(0, []))]
        while waiting:
            node, branch, below = waiting.pop()
            frame = tree.frames[tree.frame_ids[node]]
            place = f"{frame.path}:{frame.line}" if frame.line > 0 else frame.path
            yield (
                f"{size(held[node]):>10} {percent(held[node], held[0])} {allocations[node]:>12,.0f} "
                f"{'>' if frame.is_own else ' '} {branch}{plain(frame.function)}  {plain(place)}"
            )
            callees = children.get(node, [])
            deeper = len(below) < 2 * self.max_indent
            for each in reversed(callees):
                last = each == callees[-1]
                indent = below + ("  " if last else "│ ") if deeper else below
                waiting.append((each, below + ("└ " if last else "├ "), indent))

    def _drawn(self, tree: StackTree, held: list[float]) -> dict[int, list[int]]:
        """Return the calls that are large enough to be drawn, by their caller, largest first."""
        least = max(1.0, self.min_percent / 100 * held[0])
        large = [node for node in range(1, len(held)) if held[node] >= least]
        # A caller holds as much as its callees and comes before them: the largest ones hang together.
        large.sort(key=lambda node: (-held[node], node))
        children: dict[int, list[int]] = {}
        for node in large[: self.max_lines]:
            children.setdefault(tree.parents[node], []).append(node)
        return children


def _lines(stats: Stats) -> Iterator[str]:
    total_bytes, count = stats.total_memory_allocated, stats.total_num_allocations
    seconds = (stats.metadata.end_time - stats.metadata.start_time).total_seconds()
    yield f"Peak heap            {size(stats.peak_memory_allocated):>10}"
    yield f"Allocated in all     {size(total_bytes):>10}  in {count:,} allocations"
    if seconds > 0:
        yield f"Recorded             {seconds:>8.2f} s  {size(total_bytes / seconds)}/s"
    yield ""
    yield from _allocators(stats.allocation_count_by_allocator, count)
    yield from _sizes(stats.allocation_count_by_size, count)
    yield "Most bytes, by the line that allocated"
    for location, number in stats.top_locations_by_size:
        yield f"  {size(number):>10}  {percent(number, total_bytes)}  {_location(location)}"
    yield ""
    yield "Most allocations, by the line that allocated"
    for location, number in stats.top_locations_by_count:
        yield f"  {number:>12,}  {percent(number, count)}  {_location(location)}"


def _allocators(counts: dict[str, int], total: int) -> Iterator[str]:
    yield "Allocators"
    for name, number in sorted(counts.items(), key=lambda item: -item[1]):
        yield f"  {name.lower():<16}  {number:>12,}  {percent(number, total)}"
    yield ""


def _sizes(counts: dict[int, int], total: int) -> Iterator[str]:
    """Draw how many allocations there were of each size class, from the least to the greatest."""
    classes = dict.fromkeys((*SIZE_CLASSES, 0), 0)
    for size_bytes, number in counts.items():
        classes[next((bound for bound in SIZE_CLASSES if size_bytes <= bound), 0)] += number
    most = max(classes.values())
    largest = max((place for place, number in enumerate(classes.values()) if number), default=0)
    yield "Sizes of allocations"
    for bound, number in islice(classes.items(), largest + 1):
        label = f"up to {size(bound)}" if bound else f"above {size(SIZE_CLASSES[-1])}"
        bar = "█" * round(BAR_CHARACTERS * number / most) if most else ""
        yield f"  {label:<16}  {number:>12,}  {percent(number, total)}  {bar}".rstrip()
    yield ""


def _location(location: tuple[str, str, int]) -> str:
    function, filename, line = location
    if function == "<unknown>":
        return "<unknown stack>"
    return f"{plain(function)} ({plain(filename)}:{line})"
