"""Sample one thread through pyinstrument's hook, and write what is known now and then on another."""

from __future__ import annotations

import _thread
import os
import sys
import time
from array import array
from pathlib import Path
from typing import Any

from profilerkit_cpu.capture import HOOK_FORMAT, CaptureWriter, encode
from profilerkit_cpu.fold import CallTree
from profilerkit_cpu.garbage import GarbagePause
from profilerkit_cpu.hook import HookSampler, thread_name
from profilerkit_cpu.pace import FIRST_WRITE_SECONDS, next_write_seconds
from profilerkit_cpu.timeline import Timeline

IDLE_WRITE_SECONDS = 2.0
"""While the thread waits nothing changes but for how long, and writes are so much later."""

CHECK_SECONDS = 0.25
STOP_SECONDS = 4.0


class HookRecorder:
    """One recording. `start`, `stop` and `abandon` are called on threads of the program."""

    def __init__(
        self, folder: Path, *, interval_seconds: float, max_depth: int, max_nodes: int, async_mode: str
    ) -> None:
        tree = CallTree(("wall",), max_depth=max_depth, max_nodes=max_nodes)
        self.sampler = HookSampler(tree, interval_seconds=interval_seconds, async_mode=async_mode)
        self._async_mode = async_mode
        self._garbage = GarbagePause()
        self._timeline = Timeline()
        self._writer = CaptureWriter(folder)
        self._pid = os.getpid()
        self._clock, self._process_time = time.perf_counter, time.process_time
        self._wall_seconds = self._process_cpu_seconds = self._own_cpu_seconds = 0.0
        self._complete = False
        self._thread_name = ""
        self._stopped_here = False
        self._frames_searched = 0
        self._has_event_loop = False
        self._failure: BaseException | None = None
        self._written_samples = -1
        self._wake, self._done = _thread.allocate_lock(), _thread.allocate_lock()

    def start(self) -> None:
        """Begin, on the thread of the user's code."""
        self._wake.acquire()
        self._done.acquire()
        self._thread_name = thread_name()
        self.sampler.start()  # imports pyinstrument, which is not the program's time
        self._began_seconds, self._began_process_cpu = self.sampler.last_seconds, self._process_time()
        self._began_unix_seconds, self._began_monotonic_seconds = time.time(), time.monotonic()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:
            self.sampler.stop()
            raise

    def stop(self) -> None:
        """End the hook and write the file, on any thread; raise what kept that from being done."""
        if os.getpid() != self._pid:
            self.abandon()
            return
        self._stopped_here = self.sampler.is_here()
        self.sampler.stop()
        self._wake.release()
        if not self._done.acquire(timeout=STOP_SECONDS):
            raise TimeoutError(f"the writing thread did not end within {STOP_SECONDS:.0f} s")
        if self._failure is not None:
            raise self._failure

    def abandon(self) -> None:
        """Let go in a forked child, where the writing thread does not exist."""
        self.sampler.abandon()
        self._garbage.end()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - it ends here, silently, and is raised by `stop`
            self._failure = error
        finally:
            self._done.release()

    def _loop(self) -> None:
        write_at = FIRST_WRITE_SECONDS
        longer, stopping = 0.0, False
        while not stopping:
            due = write_at - (self._clock() - self._began_seconds)
            stopping = self._wake.acquire(timeout=min(CHECK_SECONDS, max(0.01, due)))
            self._wall_seconds = self._clock() - self._began_seconds
            self._process_cpu_seconds = self._process_time() - self._began_process_cpu
            self._own_cpu_seconds = time.thread_time()
            self._timeline.add(self._wall_seconds, self._process_cpu_seconds)
            if not stopping:
                self.sampler.check()
            idle = self.sampler.samples == self._written_samples
            if self._wall_seconds >= write_at + (longer if idle else 0.0) and not stopping:
                longer = min(longer + 0.5, IDLE_WRITE_SECONDS) if idle else 0.0
                write_at = next_write_seconds(self._wall_seconds, self._write())
        self._complete = True
        self._write()

    def _write(self) -> float:
        """Write the capture; return the CPU seconds that took. A full disk may have room the next time."""
        began = time.thread_time()
        try:
            self._written_samples = self.sampler.samples
            self._writer.put(self._encoded())
            self._failure = None
        except (OSError, MemoryError) as error:
            self._failure = error
        return time.thread_time() - began

    def _encoded(self) -> bytes:
        with self._garbage:
            wall, stack, seconds = self._with_what_is_due()
            facts = self._facts()
            facts["pending"] = {"stack": stack, "seconds": seconds}
            return self._writer.encoded(facts, {"calls": (self.sampler.tree, {"wall": wall})})

    def _with_what_is_due(self) -> tuple[array[float], list[Any], float]:
        """Return the tree's column with the time since the last sample; or that time, and a stack for it.

        A thread that waits calls no hook: what it has waited until now is in no sample yet.
        """
        sampler = self.sampler
        now = self._clock()
        wall = sampler.tree.columns["wall"][:]
        goes_on = sampler.ended is None and sampler.lives()
        due = now - sampler.last_seconds if goes_on else 0.0
        wall[sampler.node] += sampler.owed_seconds
        if sampler.away is not None:
            wall[sampler.away] += due
        elif self._stopped_here:  # its stack is ours, and the last sample not long ago
            wall[sampler.node] += due
        elif goes_on:
            return wall, sampler.stack_now(), due
        return wall, [], 0.0

    def _facts(self) -> dict[str, Any]:
        times, cpu = self._timeline.until(self._wall_seconds, self._process_cpu_seconds)
        return {
            "format": HOOK_FORMAT,
            "engine": "pyinstrument",
            "pyinstrument": getattr(sys.modules.get("pyinstrument"), "__version__", None),
            "async_mode": self._async_mode,
            "complete": self._complete,
            "began_unix_seconds": self._began_unix_seconds,
            "began_monotonic_seconds": self._began_monotonic_seconds,
            "wall_seconds": self._wall_seconds,
            "process_cpu_seconds": self._process_cpu_seconds,
            "own_cpu_seconds": self._own_cpu_seconds,
            "sample_count": self.sampler.samples,
            "longest_gap_seconds": self.sampler.longest_gap_seconds,
            "thread": self._thread_name,
            "timeline": {"times": encode(times), "cpu_seconds": encode(cpu)},
            "notes": self._notes(),
        }

    def _notes(self) -> list[str]:
        sampler = self.sampler
        notes = [
            f"Recorded with pyinstrument: wall time of one thread ({self._thread_name}), on which the "
            "recording began. Other threads, and what part of the time was CPU time, are not in the stacks."
        ]
        if self._async_mode != "disabled" and self._saw_event_loop() and not sampler.switched:
            notes.append(
                "Waits of coroutines are the event loop's here: to tell whose they are, the recording has to "
                "begin in the coroutine (`with profilerkit.profile(…)` there, or as its decorator)."
            )
        if sampler.ended is not None:
            seconds = max(0.0, sampler.last_seconds - self._began_seconds)
            notes.append(f"Nothing was sampled from {seconds:.1f} s on: {sampler.ended}.")
        if sampler.tree.full:
            notes.append(
                "The call tree reached its limit: from then on some callees count with their caller."
            )
        return notes

    def _saw_event_loop(self) -> bool:
        """Tell whether asyncio's event loop is among the functions that were seen."""
        frames = self.sampler.tree.frames
        for number in range(self._frames_searched, len(frames)):
            function, filename, _ = frames[number]
            if function == "_run_once" and filename.endswith("base_events.py"):
                self._has_event_loop = True
        self._frames_searched = len(frames)
        return self._has_event_loop
