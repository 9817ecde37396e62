"""Plug the CPU profiler into profilerkit: its options, and when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import define, field

from profilerkit.errors import UnavailableError, UsageError
from profilerkit.interfaces import CaptureFiles, Profiler
from profilerkit.model import Target
from profilerkit.reading import Reading

if TYPE_CHECKING:
    from profilerkit_cpu.recorder import Recorder

ENGINES = ("sampler",)


def _known_engine(_profiler: object, _attribute: object, engine: str) -> None:
    if engine not in ENGINES:
        raise UsageError(f"There is no engine {engine!r} (there is: {', '.join(ENGINES)}).")


def _between(least: float, most: float) -> Any:
    def check(_profiler: object, attribute: Any, value: float) -> None:
        if not least <= value <= most:
            raise UsageError(f"{attribute.name} is between {least} and {most}, not {value!r}.")

    return check


@define
class CpuProfiler(Profiler):
    """Record where wall and CPU time go, in all threads, without a profile hook."""

    title: ClassVar[str] = "Wall and CPU time (sampling)"
    stops_anywhere: ClassVar[bool] = True

    engine: str = field(
        default="sampler",
        validator=_known_engine,
        metadata={"help": "how to record; `sampler` is all there is yet"},
    )
    interval_seconds: float = field(
        default=0.01,
        validator=_between(0.001, 10.0),
        metadata={"help": "mean time between two looks at all threads; each is random within a half of it"},
    )
    max_depth: int = field(
        default=512,
        validator=_between(8, 100_000),
        metadata={"help": "keep so many innermost frames of a stack; the outer ones are left out"},
    )
    max_nodes: int = field(
        default=100_000,
        validator=_between(100, 10_000_000),
        metadata={"help": "keep so many nodes of each call tree; then callees count with their caller"},
    )
    _recorder: Recorder | None = field(default=None, init=False, repr=False, eq=False)

    def check(self, target: Target) -> None:
        """Raise UnavailableError on other Pythons than CPython with a GIL."""
        if sys.implementation.name != "cpython":
            raise UnavailableError(f"The cpu profiler needs CPython, not {sys.implementation.name}.")
        if "t" in getattr(sys, "abiflags", "") or not getattr(sys, "_is_gil_enabled", lambda: True)():
            raise UnavailableError(
                "The cpu profiler has not been tested on a free-threaded Python.", "Use a build with a GIL."
            )

    def start(self, folder: Path, target: Target) -> None:
        """Begin: on the main thread with both estimators, on another with the sampling thread alone."""
        from profilerkit_cpu.recorder import Recorder

        recorder = Recorder(
            folder,
            interval_seconds=self.interval_seconds,
            max_depth=self.max_depth,
            max_nodes=self.max_nodes,
        )
        recorder.start()
        self._recorder = recorder

    def stop(self) -> None:
        """Look once more, write the file, end the sampling thread; OSError if the disk did not take it."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.stop()

    def abandon(self) -> None:
        """Give the signal back in a forked child; its parent's thread and timer are not there."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.abandon()

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return stacks with CPU and wall seconds, and the CPU use over time."""
        from profilerkit_cpu.reader import read_capture

        return read_capture(capture)
