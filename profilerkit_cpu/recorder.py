"""Run both estimators in the recorded process, and write what they know now and then."""

from __future__ import annotations

import _thread
import contextlib
import os
import threading
import time
from pathlib import Path

from profilerkit_cpu.capture import CaptureWriter
from profilerkit_cpu.clocks import has_thread_clocks, run_queue_reader
from profilerkit_cpu.fold import CallTree
from profilerkit_cpu.pace import FIRST_WRITE_SECONDS, next_write_seconds
from profilerkit_cpu.sampler import ThreadSampler
from profilerkit_cpu.snapshot import columns, facts
from profilerkit_cpu.ticks import Ticks
from profilerkit_cpu.timeline import Timeline

IDLE_WRITE_SECONDS = 30.0
"""While nothing runs there is little news; as soon as something does, it is written."""

LOOKS_SHARE = 0.025
"""Looks take no more of the time than this: many threads are looked at less often."""

BUSY_STRETCH = 3.0
"""While the main thread alone runs, and does not wait, pauses become as much longer as this."""

LONGEST_INTERVAL_SECONDS = 0.1
"""While nothing runs, looks become as rare as this, and while a tick would tell that there is news.

A look that has to get the GIL from a thread at work is dear: each time that the thread lets go of it for a
moment, the kernel wakes a processor for us, mostly in vain.
"""

MOSTLY_BUSY_SHARE = 0.9
"""Only a main thread that has run so much of the last time is left to its ticks: they see no waits."""

FIRST_LOOK_SECONDS = 0.001
"""From here on the time between looks grows to what it is to be: short programs are seen too."""

STOP_SECONDS = 4.0


class Recorder:
    """One recording. `start`, `stop` and `abandon` are called on threads of the program."""

    def __init__(self, folder: Path, *, interval_seconds: float, max_depth: int, max_nodes: int) -> None:
        self.notes: list[str] = []
        self.timeline = Timeline()
        self.ticks = Ticks(CallTree(("cpu",), max_depth=max_depth, max_nodes=max_nodes))
        self.sampler = ThreadSampler(
            CallTree(("cpu", "wall"), max_depth=max_depth, max_nodes=max_nodes),
            run_queue_seconds=run_queue_reader() if has_thread_clocks() else None,
            main_ticks=self.ticks,
        )
        self.began_seconds = time.monotonic()
        self.began_unix_seconds = time.time()
        self.wall_seconds = self.process_cpu_seconds = 0.0
        """Until the last look."""
        self.own_cpu_seconds = 0.0
        """What the sampling thread has used of `process_cpu_seconds`."""
        self.complete = False
        self._began_process_cpu = time.process_time()
        self._pid = os.getpid()
        self._interval_seconds = interval_seconds
        self._writer = CaptureWriter(folder)
        self._least_pause_seconds = 0.0
        self._idle = False
        self._stopped_by: int | None = None
        self._failure: BaseException | None = None
        self._random = time.monotonic_ns() & 0x7FFFFFFF
        self._wake = _thread.allocate_lock()
        self._done = _thread.allocate_lock()

    def start(self) -> None:
        """Begin, on the thread of the user's code."""
        self._wake.acquire()
        self._done.acquire()
        self.sampler.begin()
        self.main_account = self.sampler.threads.accounts[threading.main_thread().ident or 0]
        refused = self.ticks.start()
        if refused is not None:
            self.notes.append(f"Bursts of under 5 ms between waits may be missed: {refused}.")
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:
            self.ticks.stop()
            raise

    def stop(self) -> None:
        """Look once more and write the file, on any thread; raise what kept that from being done."""
        if os.getpid() != self._pid:
            self.abandon()
            return
        self.ticks.stop()
        self._stopped_by = _thread.get_ident()
        with contextlib.suppress(RuntimeError):  # a tick has woken it
            self._wake.release()
        if not self._done.acquire(timeout=STOP_SECONDS):
            raise TimeoutError(f"the sampling thread did not end within {STOP_SECONDS:.0f} s")
        if self._failure is not None:
            raise self._failure

    def end_ticks(self) -> None:
        """Go on with looks alone, on the thread that is about to set a hook."""
        self.ticks.make_way()

    def abandon(self) -> None:
        """Let go in a forked child, where the sampling thread does not exist."""
        self.ticks.abandon()
        self.sampler.garbage.end()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - it ends here, silently, and is raised by `stop`
            self._failure = error
            self.ticks.stop()
        finally:
            self._done.release()

    def _loop(self) -> None:
        # Programs replace functions of `time` (in tests, say): these are the real ones.
        monotonic, process_time = time.monotonic, time.process_time
        write_at = FIRST_WRITE_SECONDS
        stretch, stopping = 1.0, False
        while not stopping:
            pause = self._random_share() * max(stretch * self._interval_seconds, self._least_pause_seconds)
            if not self._idle:
                pause = max(min(pause, write_at - self.wall_seconds), self._interval_seconds / 2)
            pause = min(pause, max(FIRST_LOOK_SECONDS, self.wall_seconds))
            due = monotonic() + pause
            roused = self._wake.acquire(timeout=pause)
            self.ticks.let_sleep()
            now = monotonic()
            stopping = self._stopped_by is not None
            stretch = self._look(now, self.ticks.roused_seconds if roused else due, stopping, stretch)
            self.wall_seconds = now - self.began_seconds
            self.process_cpu_seconds = process_time() - self._began_process_cpu
            self.own_cpu_seconds = time.thread_time()
            self.timeline.add(self.wall_seconds, self.process_cpu_seconds)
            if self.wall_seconds >= write_at + (IDLE_WRITE_SECONDS if self._idle else 0.0) and not stopping:
                write_at = next_write_seconds(self.wall_seconds, self._write())
        self.sampler.settle()
        self.complete = True
        self._write()

    def _look(self, now: float, due: float, stopping: bool, stretch: float) -> float:
        """Look at the threads; return by how much the next pause is to be longer than usual."""
        self.ticks.check()
        longest = max(1.0, LONGEST_INTERVAL_SECONDS / self._interval_seconds)
        if not stopping and self.sampler.nothing_ran(now):
            self._idle = stretch * 1.5 > BUSY_STRETCH
            return min(stretch * 1.5, longest)
        self._idle = False
        began = time.thread_time()
        try:
            self.sampler.look(now, now if stopping else due, ending=self._stopped_by)
        except MemoryError:
            pass  # it is the program's to meet that, and perhaps to get over it
        cost = (time.thread_time() - began) / LOOKS_SHARE
        self._least_pause_seconds += 0.1 * (cost - self._least_pause_seconds)
        if not self.sampler.learned_little:
            return 1.0
        if self.ticks.covers and self.sampler.busy_share > MOSTLY_BUSY_SHARE and not stopping:
            self.ticks.rouse(self._wake, self._interval_seconds, self.main_account.read_cpu())
            return longest
        return min(stretch * 1.3, BUSY_STRETCH)

    def _random_share(self) -> float:
        """Return a number between 0.5 and 1.5; the program's `random` is not ours to move on."""
        self._random = self._random * 1103515245 + 12345 & 0x7FFFFFFF
        return 0.5 + self._random / 0x80000000

    def _encoded(self) -> bytes:
        with self.sampler.garbage:
            cpu, wall = columns(self)
            trees = {"looks": (self.sampler.tree, {"cpu": cpu, "wall": wall}), "ticks": (self.ticks.tree, {})}
            return self._writer.encoded(facts(self), trees)

    def _write(self) -> float:
        """Write the capture; return the CPU seconds that took. A full disk may have room the next time."""
        began = time.thread_time()
        try:
            self._writer.put(self._encoded())
            self._failure = None
        except (OSError, MemoryError) as error:
            self._failure = error
        return time.thread_time() - began
