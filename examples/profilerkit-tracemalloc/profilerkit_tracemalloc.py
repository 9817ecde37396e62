"""Record which lines hold Python's memory, with tracemalloc of the standard library."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

from attrs import define, field

from profilerkit.errors import CaptureError, UnavailableError
from profilerkit.interfaces import CaptureFiles, Profiler, ReportRenderer, Source
from profilerkit.model import Capture, Target
from profilerkit.reading import Metric, Reading


@define
class TracemallocProfiler(Profiler):
    title = "Live Python memory (tracemalloc)"
    frames: int = field(default=16, metadata={"help": "how many frames of each stack to keep"})
    _file: Path = field(default=Path(), init=False)

    def claims(self) -> frozenset[str]:
        return frozenset({"tracemalloc"})

    def check(self, target: Target) -> None:
        if tracemalloc.is_tracing():
            raise UnavailableError(
                "tracemalloc is in use here.", "Unset PYTHONTRACEMALLOC and -X tracemalloc."
            )

    def start(self, folder: Path, target: Target) -> None:
        self._file = folder / "stacks.json"
        tracemalloc.start(self.frames)

    def checkpoint(self) -> None:
        statistics = tracemalloc.take_snapshot().statistics("traceback")
        stacks = [
            (each.size, [(frame.filename, frame.lineno) for frame in each.traceback]) for each in statistics
        ]
        partial = self._file.with_suffix(".tmp")
        partial.write_text(json.dumps(stacks))
        partial.replace(self._file)

    def stop(self) -> None:
        try:
            self.checkpoint()
        finally:
            tracemalloc.stop()

    def abandon(self) -> None:
        tracemalloc.stop()

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        builder = capture.stack_builder(Metric("live memory", "bytes"))
        try:
            for size, frames in json.loads((capture.folder / "stacks.json").read_bytes()):
                stack = [(f"line {int(line)}", str(name), int(line)) for name, line in frames]
                builder.add(stack, [float(size)])
        except (OSError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise CaptureError(f"No snapshot of tracemalloc can be read ({error}).") from error
        return Reading(stacks=builder.build())


@define
class TopRenderer(ReportRenderer):
    title = "Lines that hold the most"
    filename = "top.txt"
    rows: int = field(default=20, metadata={"help": "how many lines to show"})

    def accepts(self, capture: Capture) -> bool:
        return capture.profiler == "tracemalloc" and "stacks" in (capture.contents or ())

    def render(self, source: Source, target: Path) -> None:
        from profilerkit.stacks import format_value, hot, printable

        rows = hot(source.reading, limit=self.rows)
        lines = [
            f"{format_value(row.self_value, row.unit):>12}  {printable(row.file)}:{row.line}\n"
            for row in rows
        ]
        target.write_text("".join(lines) or "Nothing was alive.\n", encoding="utf-8")
