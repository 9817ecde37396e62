"""Have compacted days read by processes of their own, where there is much to read.

Most of the time it takes to make a catalog anew goes into that, and one process uses one core. They are
new programs, not forks, since a web server has threads.
"""

from __future__ import annotations

import contextlib
import io
import logging
import marshal
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from attrs import define, field, frozen

from profilerkit.catalog.entries import Entry, entry_of
from profilerkit.catalog.packing import Packer
from profilerkit.errors import FormatError, NotFoundError, StoreError
from profilerkit.interfaces import ResultStore
from profilerkit.journal import parsed

MUCH_BYTES = 4 << 20
"""Less in all, compressed, is read faster than a process starts."""
MOST_BYTES = 64 << 20
"""A day that is larger, compressed, is not held in memory."""
MOST_PROCESSES = 3
BATCH = 1000
HELD_BATCHES = 4
"""So many wait to be taken, however fast the others are."""
PATIENCE_SECONDS = 60.0
"""Without any answer for so long, the processes are given up."""
STOP_SECONDS = 0.1
"""How soon a thread sees that it is to stop."""

log = logging.getLogger("profilerkit.catalog")

Plain = tuple[list[tuple[Any, ...]], list[str]]
"""What batches are on their way between processes."""


@frozen
class Batch:
    """Some events of a day."""

    entries: list[Entry]
    """With packed events."""
    problems: list[str]
    """What is wrong with others."""


def batches(key: str, stream: BinaryIO, packer: Packer) -> Iterator[Plain]:
    """Yield what is in a day, a part at a time."""
    rows: list[tuple[Any, ...]] = []
    problems: list[str] = []
    for found in parsed(key, stream, entry_of):
        if isinstance(found, FormatError):
            problems.append(str(found))
        else:
            rows.append((*found[:4], packer.pack(found.event), *found[5:]))
        if len(rows) >= BATCH:
            yield rows, problems
            rows, problems = [], []
    yield rows, problems


@define
class DayWork:
    """The reading of some days by several processes."""

    store: ResultStore
    days: Sequence[str]
    sample: bytes
    """That of the packer."""
    _left: Iterator[str] = field(init=False)
    _found: queue.Queue[tuple[str, Batch | None] | None] = field(init=False)
    _stopped: threading.Event = field(factory=threading.Event, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _processes: list[subprocess.Popen[bytes]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._left = iter(self.days)
        self._found = queue.Queue(HELD_BATCHES)

    def run(self) -> Generator[tuple[str, Batch | None], None, None]:
        """Yield batches with the key of their day, and None for one when it is done.

        What cannot be read here, for whatever reason, is not done: some of it may have been yielded.
        """
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(processes())]
        for each in threads:
            each.start()
        try:
            working = len(threads)
            while working:
                found = self._found.get(timeout=PATIENCE_SECONDS)
                if found is None:
                    working -= 1
                else:
                    yield found
        except queue.Empty:
            log.info("Processes that read compacted days gave no answer, and were ended.")
        finally:
            self._stopped.set()
            for process in self._processes:
                _kill(process)
            for each in threads:
                each.join()

    def _work(self) -> None:
        """Hand days to a process, one after the other, and pass on what it makes of them."""
        try:
            with _process() as process, contextlib.suppress(OSError, ValueError, EOFError, TypeError):
                self._processes.append(process)
                assert process.stdin is not None
                process.stdin.write(marshal.dumps((sys.path, self.sample)))
                while (key := self._next()) is not None:
                    self._read(process, key)
        except OSError:
            pass  # it could not be started: somebody else reads the days
        finally:
            self._put(None)

    def _next(self) -> str | None:
        with self._lock:
            return None if self._stopped.is_set() else next(self._left, None)

    def _read(self, process: subprocess.Popen[bytes], key: str) -> None:
        data = self._fetch(key)
        if data is None:
            return
        assert process.stdin is not None
        send(process.stdin, (key, data))
        while (answer := receive(process.stdout)) is not None:
            rows, problems = answer
            self._put((key, Batch([Entry._make(each) for each in rows], problems)))
            if self._stopped.is_set():
                return
        self._put((key, None))

    def _fetch(self, key: str) -> bytes | None:
        try:
            with self.store.open(key) as stream:
                data = stream.read(MOST_BYTES + 1)
        except (NotFoundError, StoreError):
            return None
        return data if len(data) <= MOST_BYTES else None

    def _put(self, found: tuple[str, Batch | None] | None) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._found.put(found, timeout=STOP_SECONDS)
                return


def processes() -> int:
    """Return how many processes read best, as many as there are cores for us."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_PROCESSES)


@contextlib.contextmanager
def _process() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that reads days, and end it. Raises OSError when it cannot be started."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dayworker.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    try:
        yield process
    finally:
        _kill(process)
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                assert stream is not None
                stream.close()
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


def send(stream: IO[bytes], message: Any) -> None:
    """Write a message of plain values."""
    data = marshal.dumps(message)
    stream.write(len(data).to_bytes(8, "big"))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes] | None) -> Any:
    """Read a message. Raises EOFError, ValueError and TypeError when there is none."""
    assert stream is not None
    head = stream.read(8)
    size = int.from_bytes(head, "big")
    if len(head) < 8 or size > 2 * MOST_BYTES:
        raise EOFError
    return marshal.loads(stream.read(size))


def serve(questions: IO[bytes], answers: IO[bytes], sample: bytes) -> None:
    """Answer with what is in each day that comes. Raises EOFError when no more come."""
    packer = Packer(sample)
    while True:
        key, data = receive(questions)
        for batch in batches(key, io.BytesIO(data), packer):
            send(answers, batch)
        send(answers, None)
