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
    from profilerkit_cpu.hook_recorder import HookRecorder
    from profilerkit_cpu.recorder import Recorder

SAMPLER, PYINSTRUMENT = "sampler", "pyinstrument"
ASYNC_MODES = ("enabled", "disabled", "strict")


def _one_of(*known: str) -> Any:
    def check(_profiler: object, attribute: Any, value: str) -> None:
        if value not in known:
            raise UsageError(f"There is no {attribute.name} {value!r} (there are: {', '.join(known)}).")

    return check


def _between(least: float, most: float) -> Any:
    def check(_profiler: object, attribute: Any, value: float) -> None:
        if not least <= value <= most:
            raise UsageError(f"{attribute.name} is between {least} and {most}, not {value!r}.")

    return check


@define
class CpuProfiler(Profiler):
    """Record where wall and CPU time go, in all threads, without a profile hook.

    With `engine="pyinstrument"` wall time of one thread, through a profile hook, with exact awaits.
    """

    title: ClassVar[str] = "Wall and CPU time (sampling)"
    stops_anywhere: ClassVar[bool] = True

    engine: str = field(
        default=SAMPLER,
        validator=_one_of(SAMPLER, PYINSTRUMENT),
        metadata={"help": "`sampler`, or `pyinstrument`: one thread by a profile hook, awaits told apart"},
    )
    async_mode: str = field(
        default="enabled",
        validator=_one_of(*ASYNC_MODES),
        metadata={
            "help": "engine pyinstrument only: `enabled` credits a wait to the coroutine that awaits, "
            "`disabled` to what runs meanwhile, `strict` leaves out all that is not of its async context"
        },
    )
    interval_seconds: float = field(
        default=0.01,
        validator=_between(0.001, 10.0),
        metadata={
            "help": "mean time between two looks at all threads, each random within a half of it; "
            "with pyinstrument the least time between two samples"
        },
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
    _recorder: Recorder | HookRecorder | None = field(default=None, init=False, repr=False, eq=False)

    def claims(self) -> frozenset[str]:
        """Return the profile hook for pyinstrument, and for the sampler that hooks see its handler."""
        return frozenset({"sys.setprofile"} if self.engine == PYINSTRUMENT else {"hooks"})

    def check(self, target: Target) -> None:
        """Raise UnavailableError on other Pythons than CPython with a GIL, or without pyinstrument."""
        if sys.implementation.name != "cpython":
            raise UnavailableError(f"The cpu profiler needs CPython, not {sys.implementation.name}.")
        if "t" in getattr(sys, "abiflags", "") or not getattr(sys, "_is_gil_enabled", lambda: True)():
            raise UnavailableError(
                "The cpu profiler has not been tested on a free-threaded Python.", "Use a build with a GIL."
            )
        if self.engine == PYINSTRUMENT:
            from profilerkit_cpu.hook import INSTALL, has_pyinstrument

            if not has_pyinstrument():
                raise UnavailableError(
                    "The engine pyinstrument of the cpu profiler needs pyinstrument, which is not installed.",
                    INSTALL,
                )

    def start(self, folder: Path, target: Target) -> None:
        """Begin: on the main thread with both estimators, on another with the sampling thread alone.

        With pyinstrument the thread that calls it is recorded. Raises UnavailableError if it has a
        profile hook already.
        """
        recorder = self._hook_recorder(folder) if self.engine == PYINSTRUMENT else self._sampler(folder)
        recorder.start()
        self._recorder = recorder

    def stop(self) -> None:
        """Look once more, write the file, end the sampling thread; OSError if the disk did not take it."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.stop()

    def give_up(self, claim: str) -> bool:
        """Go on with the sampling thread alone before a hook is set that would see the handler."""
        from profilerkit_cpu.recorder import Recorder

        if claim != "hooks" or not isinstance(self._recorder, Recorder):
            return False
        self._recorder.end_ticks()
        return True

    def abandon(self) -> None:
        """Give the signal back in a forked child; its parent's thread and timer are not there."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.abandon()

    def _sampler(self, folder: Path) -> Recorder:
        from profilerkit_cpu.recorder import Recorder

        return Recorder(
            folder,
            interval_seconds=self.interval_seconds,
            max_depth=self.max_depth,
            max_nodes=self.max_nodes,
        )

    def _hook_recorder(self, folder: Path) -> HookRecorder:
        from profilerkit_cpu.hook_recorder import HookRecorder

        return HookRecorder(
            folder,
            interval_seconds=self.interval_seconds,
            max_depth=self.max_depth,
            max_nodes=self.max_nodes,
            async_mode=self.async_mode,
        )

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return stacks with CPU and wall seconds, and the CPU use over time."""
        from profilerkit_cpu.reader import read_capture

        return read_capture(capture)
