"""Make the reports that other tools read, for every profiler whose reading has stacks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from attrs import define, evolve, field

from profilerkit.errors import CaptureError
from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit.reading import StackTree
from profilerkit.stacks.collapsed import write_collapsed
from profilerkit.stacks.entries import fit
from profilerkit.stacks.names import printable
from profilerkit.stacks.pprof import write_pprof

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class _OfStacks(ReportRenderer):
    """What both have in common: they need stacks."""

    def accepts(self, capture: Capture) -> bool:
        """Accept whatever has stacks."""
        return "stacks" in (capture.contents or ())

    def _stacks(self, source: Source) -> StackTree:
        tree = source.reading.stacks
        if tree is None:
            raise CaptureError(f"The capture of {source.capture.profiler} has no stacks.")
        return tree


@define
class PprofRenderer(_OfStacks):
    """The call tree for pprof and what else reads its format."""

    title = "pprof (gzipped protobuf)"
    filename = "profile.pb.gz"
    max_entries: int = field(
        default=20_000_000, metadata={"help": "keep at most this many frames in all samples together"}
    )

    def render(self, source: Source, target: Path) -> None:
        """Write all metrics; notes become comments."""
        recording, reading = source.recording, source.reading
        with target.open("wb") as file:
            write_pprof(
                fit(self._stacks(source), self.max_entries),
                file,
                time_nanos=_nanoseconds(recording.started_at - EPOCH),
                duration_nanos=_nanoseconds(timedelta(seconds=recording.duration_seconds or 0.0)),
                comments=(f"{recording.subject} ({source.capture.profiler})", *reading.notes),
            )


@define
class CollapsedRenderer(_OfStacks):
    """The call tree as folded stacks."""

    title = "Folded stacks (flamegraph.pl)"
    filename = "collapsed.txt"
    metric: str = field(default="", metadata={"help": "which metric to write, by name; empty is the first"})
    lines: bool = field(default=True, metadata={"help": "tell a function's lines apart"})
    max_entries: int = field(
        default=5_000_000, metadata={"help": "keep at most this many frames in all stacks together"}
    )

    def render(self, source: Source, target: Path) -> None:
        """Write one metric. Raises CaptureError for one that is not there."""
        tree = self._one_metric(self._stacks(source))
        with target.open("w", encoding="utf-8", newline="\n") as file:
            write_collapsed(fit(tree, self.max_entries), file, lines=self.lines)

    def _one_metric(self, tree: StackTree) -> StackTree:
        names = [metric.name for metric in tree.metrics]
        if self.metric and self.metric not in names:
            has = printable(", ".join(names))
            raise CaptureError(f"There is no metric {self.metric!r} in this capture (there are: {has}).")
        index = names.index(self.metric) if self.metric else 0
        return evolve(tree, metrics=(tree.metrics[index],), self_values=(tree.self_values[index],))


def _nanoseconds(delta: timedelta) -> int:
    return delta // timedelta(microseconds=1) * 1000
