"""Tiny profilers for the tests of the conformance suite: two that are right, and some that are not."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from attrs import define, field

from profilerkit.errors import CaptureError, UnavailableError
from profilerkit.interfaces import CaptureFiles, Profiler
from profilerkit.model import Placement, Target
from profilerkit.reading import Frame, FunctionStat, Metric, Reading, StackBuilder, Timeline


@define
class CallCounter(Profiler):
    """Count calls of Python functions in the thread that is recorded."""

    title = "Calls"
    minimum: int = field(default=1, metadata={"help": "leave out functions called less often"})
    _file: Path | None = field(default=None, init=False)
    _calls: Counter[tuple[str, str, int]] = field(factory=Counter, init=False)

    def claims(self) -> frozenset[str]:
        """Take the profile hook."""
        return frozenset({"sys.setprofile"})

    def start(self, folder: Path, target: Target) -> None:
        """Set the hook."""
        file = folder / "calls.json"
        file.write_text("[]")
        self._file = file
        sys.setprofile(self._count)

    def checkpoint(self) -> None:
        """Write what was counted until now."""
        assert self._file is not None
        partial = self._file.with_suffix(".tmp")
        partial.write_text(json.dumps([[*key, calls] for key, calls in self._calls.copy().items()]))
        partial.replace(self._file)

    def stop(self) -> None:
        """Give the hook back and write the rest."""
        if self._file is not None:
            sys.setprofile(None)
            self.checkpoint()

    def abandon(self) -> None:
        """Give the hook back."""
        sys.setprofile(None)

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return the functions; calls are their value."""
        builder = StackBuilder((), roots=capture.roots)
        try:
            functions = tuple(
                FunctionStat(
                    builder.frame(str(name), str(file), int(line)), float(calls), float(calls), int(calls)
                )
                for name, file, line, calls in json.loads((capture.folder / "calls.json").read_bytes())
            )
        except (OSError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise CaptureError(f"No calls can be read ({error}).") from error
        return Reading(functions=functions, functions_metric=Metric("calls", "count"))

    def _count(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            self._calls[code.co_name, code.co_filename, code.co_firstlineno] += 1


@define
class RssRecorder(Profiler):
    """Write down the RSS of another process, as a stream."""

    title = "RSS from outside"
    placement = Placement.OUTSIDE
    stops_anywhere = True
    interval_seconds: float = field(default=0.02, metadata={"help": "seconds between two looks"})
    _ended: threading.Event = field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self, folder: Path, target: Target) -> None:
        """Look at the process on a thread, until stopped."""
        file = open(folder / "rss.txt", "w", buffering=1)  # noqa: SIM115 - closed by the thread
        self._thread = threading.Thread(target=self._watch, args=(file, target.pid), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return the timeline, of whole lines that are in order."""
        try:
            lines = (capture.folder / "rss.txt").read_text(encoding="ascii").splitlines(keepends=True)
            rows = sorted(tuple(map(int, line.split())) for line in lines if line.endswith("\n"))
            times, values = [row[0] / 1e9 for row in rows], [float(row[1]) for row in rows]
        except (OSError, ValueError, IndexError, ArithmeticError) as error:
            raise CaptureError(f"No RSS can be read ({error}).") from error
        peak = max(values, default=None)
        return Reading(summary={"peak_rss_bytes": peak}, timelines=(Timeline("rss", "bytes", times, values),))

    def _watch(self, file: Any, pid: int) -> None:
        began = time.monotonic_ns()
        with file:
            while True:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                file.write(f"{time.monotonic_ns() - began} {pages * os.sysconf('SC_PAGE_SIZE')}\n")
                if self._ended.wait(self.interval_seconds):
                    return


@define
class Unexplained(CallCounter):
    """It has an option without help."""

    depth: int = 3


class Unadorned(Profiler):
    """It is no attrs class."""

    title = "Unadorned"

    def start(self, folder: Path, target: Target) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


@define
class Talkative(CallCounter):
    """It writes into the program's output."""

    def stop(self) -> None:
        """Say so."""
        CallCounter.stop(self)
        print("stopped")


@define
class Keeper(CallCounter):
    """It does not give its hook back."""

    def stop(self) -> None:
        """Only write."""
        self.checkpoint()


@define
class Lingerer(CallCounter):
    """It leaves a thread behind."""

    def stop(self) -> None:
        """Start something that does not end."""
        CallCounter.stop(self)
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()


@define
class Clinger(CallCounter):
    """It goes on in forked children, and writes."""

    def abandon(self) -> None:
        """Have the child's calls written over the parent's."""
        import atexit

        calls, file = self._calls, self._file
        assert file is not None

        def write() -> None:
            file.write_text(json.dumps([[*key, count] for key, count in calls.copy().items()]))

        atexit.register(write)

    def stop(self) -> None:
        """Write nothing more: what the child wrote stays."""
        sys.setprofile(None)


@define
class Forgetter(CallCounter):
    """Its checkpoint makes nothing readable."""

    def start(self, folder: Path, target: Target) -> None:
        """Begin without a file."""
        CallCounter.start(self, folder, target)
        (folder / "calls.json").unlink()

    def checkpoint(self) -> None:
        """Do nothing."""


@define
class Trusting(CallCounter):
    """It expects that files are whole."""

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Read without looking."""
        data = json.loads((capture.folder / "calls.json").read_bytes())
        return Reading(functions=tuple(FunctionStat(Frame(name, file), n, n) for name, file, _, n in data))


@define
class Crasher(CallCounter):
    """Its reader ends the process."""

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """End the process."""
        os.abort()


@define
class Nonsense(CallCounter):
    """Its numbers are not numbers."""

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return a summary that cannot be added up."""
        return Reading(summary={"calls": math.nan})


@define
class Empty(CallCounter):
    """Its reading holds nothing."""

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return nothing."""
        return Reading()


@define
class Stumbler(CallCounter):
    """Its stop relies on a start that worked."""

    def stop(self) -> None:
        """Write first."""
        self.checkpoint()
        sys.setprofile(None)


@define
class Rootless(CallCounter):
    """It does not tell own code apart."""

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Read as if no roots were known."""
        return CallCounter.read(CaptureFiles(capture.folder))


@define
class Unavailable(CallCounter):
    """It cannot run here."""

    def check(self, target: Target) -> None:
        """Say why."""
        raise UnavailableError("not today")
