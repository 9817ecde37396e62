"""Profilers that fail in every way a third party's can, installed through their entry points."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from attrs import define, field

from profilerkit.errors import UnavailableError
from profilerkit.interfaces import CaptureFiles, Profiler
from profilerkit.model import Placement, Target
from profilerkit.reading import Reading

FOREVER = 3600.0


@define
class Writes(Profiler):
    """A good one: it writes one file."""

    title = "One file"
    text: str = field(default="hello", metadata={"help": "What to write."})
    _folder: Path | None = field(default=None, init=False)

    def start(self, folder: Path, target: Target) -> None:
        """Write the file."""
        self._folder = folder
        (folder / "words.txt").write_text(self.text)

    def stop(self) -> None:
        """Write the end."""
        assert self._folder is not None
        (self._folder / "end.txt").write_text("end")

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Count the bytes."""
        return Reading(
            summary={"written_bytes": float(sum(f.stat().st_size for f in capture.folder.iterdir()))}
        )


@define
class RaisesAtStart(Writes):
    """Fail on start."""

    def start(self, folder: Path, target: Target) -> None:
        """Fail."""
        raise RuntimeError("cannot start today")


@define
class RaisesAtStop(Writes):
    """Fail on stop."""

    def stop(self) -> None:
        """Fail."""
        raise RuntimeError("cannot stop today")


@define
class RaisesAtCheckpoint(Writes):
    """Fail on each checkpoint."""

    def checkpoint(self) -> None:
        """Fail."""
        raise RuntimeError("no checkpoint today")


@define
class HangsAtStart(Writes):
    """Never come back from start."""

    def start(self, folder: Path, target: Target) -> None:
        """Hang."""
        time.sleep(FOREVER)


@define
class HangsAtStop(Writes):
    """Never come back from stop: a lock that nobody gives back."""

    def stop(self) -> None:
        """Hang."""
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


@define
class SpinsAtStop(Writes):
    """Never come back from stop, busily, and swallow what would end it once."""

    def stop(self) -> None:
        """Hang."""
        try:
            while True:
                pass
        except BaseException:
            while True:
                pass


@define
class HangsAtCheckpoint(Writes):
    """Never come back from a checkpoint."""

    def checkpoint(self) -> None:
        """Hang."""
        time.sleep(FOREVER)


@define
class ExitsInFork(Writes):
    """Fork in start and in stop; the children leave by os._exit."""

    def start(self, folder: Path, target: Target) -> None:
        """Fork."""
        Writes.start(self, folder, target)
        self._fork()

    def stop(self) -> None:
        """Fork again."""
        with contextlib.suppress(RuntimeError):  # Python 3.12 forks no more when a program has ended
            self._fork()
        Writes.stop(self)

    @staticmethod
    def _fork() -> None:
        child = os.fork()
        if child == 0:
            os._exit(7)
        os.waitpid(child, 0)


@define
class Unavailable(Writes):
    """Cannot be used here."""

    def check(self, target: Target) -> None:
        """Say so."""
        raise UnavailableError("It needs the moon.", "Run: pip install moon")


@define
class OutsideRaises(Writes):
    """Fail to start in the watcher."""

    placement = Placement.OUTSIDE

    def start(self, folder: Path, target: Target) -> None:
        """Fail."""
        raise RuntimeError("cannot start outside")


@define
class OutsideHangs(Writes):
    """Hang at stop in the watcher."""

    placement = Placement.OUTSIDE

    def stop(self) -> None:
        """Hang."""
        time.sleep(FOREVER)


@define
class ClosesAFile(Writes):
    """A good one: a thread of it is writing a file while the recording starts, and closes it later."""

    def start(self, folder: Path, target: Target) -> None:
        """Begin to write."""
        super().start(folder, target)
        threading.Thread(target=self._close, args=(os.open(folder / "words.txt", os.O_WRONLY),)).start()

    @staticmethod
    def _close(descriptor: int) -> None:
        time.sleep(0.5)
        os.close(descriptor)


@define
class Streams(Profiler):
    """Keep a file open and append to it from a thread, as a native profiler does."""

    title = "Stream"
    stops_anywhere = True
    kib_per_tick: int = field(default=1, metadata={"help": "KiB written each 10 ms."})
    _going: bool = field(default=False, init=False)
    _descriptor: int = field(default=-1, init=False)

    def claims(self) -> frozenset[str]:
        """Keep a descriptor."""
        return frozenset({"descriptors"})

    def start(self, folder: Path, target: Target) -> None:
        """Begin to write."""
        self._descriptor = os.open(folder / "stream.bin", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._going = True
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        while self._going:
            os.write(self._descriptor, b"0123456789abcdef" * 64 * self.kib_per_tick)
            time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        self._going = False
        os.close(self._descriptor)

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Count the bytes."""
        return Reading(summary={"streamed_bytes": float((capture.folder / "stream.bin").stat().st_size)})
