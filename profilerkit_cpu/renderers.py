"""Draw the call tree as text, your own code at the margin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

from profilerkit.errors import CaptureError
from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit.reading import Reading
from profilerkit_cpu.calls import Call, call_tree

OWN, FOREIGN = ">", " "
HEADING = f"{'wall':>10} {'':>6} {'CPU':>10}"


@define
class TreeRenderer(ReportRenderer):
    """The call tree with wall and CPU seconds, as text."""

    title = "Call tree"
    filename = "cpu-tree.txt"

    min_percent: float = field(
        default=1.0, metadata={"help": "leave out calls with less than this share of both wall and CPU time"}
    )
    max_lines: int = field(
        default=500, metadata={"help": "leave out the smallest calls where there are more"}
    )
    max_indent: int = field(default=40, metadata={"help": "draw calls nested deeper than this at that depth"})
    all_frames: bool = field(
        default=False, metadata={"help": "show each frame of packages and of the standard library"}
    )

    def accepts(self, capture: Capture) -> bool:
        """Accept what this profiler left, unless it is known to have no stacks."""
        return capture.profiler == "cpu" and (capture.contents is None or "stacks" in capture.contents)

    def render(self, source: Source, target: Path) -> None:
        """Write the tree. Raises CaptureError when there is none."""
        reading = source.reading
        if reading.stacks is None:
            raise CaptureError("The capture has no stacks.")
        whole = call_tree(reading.stacks, merge_foreign=not self.all_frames)
        has_cpu = any(each.name == "cpu" for each in reading.stacks.metrics)
        lines = [
            *_head(f"{source.recording.subject}", reading, whole),
            *self._lines(whole, reading.summary.get("wall_seconds") or whole.wall, has_cpu=has_cpu),
            *(f"\nNote: {printable(note)}" for note in reading.notes),
        ]
        target.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")

    def _lines(self, whole: Call, wall_seconds: float, *, has_cpu: bool) -> Iterator[str]:
        least = self._least(whole, wall_seconds)
        # Not recursive: a stack may be deeper than Python lets a function call itself.
        waiting = [(each, "", "") for each in reversed(_shown(whole, least))]
        while waiting:
            call, branch, below = waiting.pop()
            place = f"{call.frame.path}:{call.frame.line}" if call.frame.line else call.frame.path
            more = f"  … {call.hidden} more" if call.hidden else ""
            cpu = f"{call.cpu:9.3f}s" if has_cpu else f"{'-':>10}"
            yield (
                f"{call.wall:9.3f}s {_percent(call.wall, wall_seconds):>6} {cpu} "
                f"{OWN if call.frame.is_own else FOREIGN} {branch}{printable(call.frame.function)}"
                f"  {printable(place)}{more}"
            )
            children = _shown(call, least)
            deeper = len(below) < 2 * self.max_indent
            for child in reversed(children):
                last = child is children[-1]
                indent = below + ("  " if last else "│ ") if deeper else below
                waiting.append((child, below + ("└ " if last else "├ "), indent))

    def _least(self, whole: Call, wall_seconds: float) -> tuple[float, float]:
        """Return the wall and CPU seconds, one of which a call must exceed to be drawn."""
        seconds, cpu_seconds = wall_seconds or 1.0, whole.cpu or 1.0
        shares = [max(each.wall / seconds, each.cpu / cpu_seconds) for each in whole.descendants()]
        least = self.min_percent / 100
        if len(shares) > self.max_lines:
            least = max(least, sorted(shares, reverse=True)[self.max_lines])
        return least * seconds, least * cpu_seconds


def _shown(call: Call, least: tuple[float, float]) -> list[Call]:
    """Return the children that are drawn, largest first."""
    children = [each for each in call.children.values() if each.wall > least[0] or each.cpu > least[1]]
    return sorted(children, key=lambda each: (-each.wall, -each.cpu, each.frame.function, each.frame.path))


def _head(subject: str, reading: Reading, whole: Call) -> Iterator[str]:
    summary = reading.summary
    yield printable(subject)
    wall, cpu = summary.get("wall_seconds") or whole.wall, summary.get("cpu_seconds") or whole.cpu
    gap = summary.get("longest_gap_seconds")
    yield (
        f"{wall:.3f} s wall, {cpu:.3f} s CPU in all threads; {summary.get('samples') or 0:.0f} samples"
        + ("" if gap is None else f", the longest gap between two {gap:.3f} s")
    )
    yield f"Calls marked {OWN} are your own code; shares are of the wall time.\n"
    yield HEADING


def _percent(value: float, whole: float) -> str:
    return f"{100 * value / whole:.1f}%" if whole else "-"


def printable(text: str) -> str:
    """Return text with whatever does not print (a newline, a terminal's escape) spelled out."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode("ascii")
        for each in text
    )
