"""Record what a process tree uses, from outside, so that it costs the recorded process nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from attrs import define, field, validators

from profilerkit.errors import UnavailableError
from profilerkit.interfaces import CaptureFiles, Profiler
from profilerkit.model import Placement, Target
from profilerkit.reading import Reading
from profilerkit_resources.recorder import Pace, Recorder, Surroundings, Tree


@define(eq=False)
class ResourcesProfiler(Profiler):
    """Memory, CPU, I/O and threads of the recorded process and its descendants, and the container's."""

    title: ClassVar[str] = "Memory and CPU of the process tree"
    placement: ClassVar[Placement] = Placement.OUTSIDE
    distributions: ClassVar[tuple[str, ...]] = ()
    stops_anywhere: ClassVar[bool] = True

    interval_seconds: float = field(
        default=0.5,
        converter=float,
        validator=[validators.ge(0.02), validators.le(60.0)],
        metadata={
            "help": "Longest time between two looks; shorter at first and while memory moves, "
            "longer where a look at a large tree is dear."
        },
    )
    pss: bool = field(
        default=True,
        validator=validators.instance_of(bool),
        metadata={
            "help": "Now and then count shared pages once (PSS), where there are several processes "
            "and the kernel allows it."
        },
    )
    _recorder: Recorder | None = field(default=None, init=False, repr=False)

    def check(self, target: Target) -> None:
        """Raise UnavailableError where processes cannot be looked at."""
        if sys.platform.startswith("linux") and not Path("/proc/self/stat").exists():
            raise UnavailableError(
                "The resources profiler needs /proc, which is not mounted here.",
                "Mount it: mount -t proc proc /proc.",
            )

    def start(self, folder: Path, target: Target) -> None:
        """Begin to look at the target, on a thread of its own."""
        self._recorder = Recorder(
            folder, _tree(target), _container(target), Pace(self.interval_seconds), self.pss
        )
        self._recorder.start(target.pid)

    def stop(self) -> None:
        """Take a last look; the target may be dead by now."""
        if self._recorder is not None:
            self._recorder.stop()

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return peaks, CPU time, I/O and their timelines."""
        from profilerkit_resources.reader import read

        return read(capture)


def _tree(target: Target) -> Tree:
    if sys.platform.startswith("linux"):
        from profilerkit_resources.tree import ProcessTree

        return ProcessTree(target.pid, target.process.start_ticks)
    from profilerkit_resources.portable import PortableTree

    return PortableTree(target.pid)


def _container(target: Target) -> Surroundings | None:
    if not sys.platform.startswith("linux"):
        return None
    from profilerkit_resources.cgroup import find_container

    return find_container(target.pid, target.cgroup)
