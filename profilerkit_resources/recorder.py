"""Look at a process tree from time to time, on a thread of its own, and write down what is seen."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from attrs import Factory, define, field

from profilerkit.errors import CaptureError
from profilerkit_resources.capture import (
    CaptureWriter,
    ContainerFacts,
    End,
    FirstLook,
    ProcessSummary,
    Sample,
    TreeNumbers,
)

SHORTEST_SECONDS = 0.02
"""Between looks in the first second, so that short programs are seen."""

BUSY_SECONDS = 0.1
"""Between looks later, while memory moves: a kill by the kernel comes when it grows."""

REST = 250
"""A look is paid for by a rest of this many times its CPU time: 0.4 % of one core in the long run."""

CREDIT_SECONDS = 4.0
"""How much rest may be owed at first and after idle times: it buys 0.016 s of CPU time."""

PSS_REST = 1000
"""The like for walking page tables: 0.1 %."""

PSS_CREDIT_SECONDS = 20.0
"""It buys 0.02 s of CPU time: about 4 GiB."""

CONTAINER_SECONDS = 2.0
"""Between looks at the container's limit, peak, kills and neighbours."""

JOIN_SECONDS = 3.0
"""How long `stop` waits: a look takes 0.1 s at most, but a disk may hang."""


class Tree(Protocol):
    """What the recorder looks at: one for Linux, one for everywhere else."""

    def look(self, now_seconds: float) -> TreeNumbers:
        """Return what the tree uses now."""

    def first_look(self) -> FirstLook | None:
        """Return what was there before, None when the process was gone at the first look."""

    def pids(self) -> set[int]:
        """Return the processes of the tree that are there."""

    def alive_seconds(self) -> float:
        """Return when the recorded process was last seen alive."""

    def news(self) -> list[ProcessSummary]:
        """Return the processes that ended or grew since this was last asked."""

    def summaries(self) -> list[ProcessSummary]:
        """Return all processes that are there."""

    def pss_bytes(self) -> int | None:
        """Return the tree's memory with shared pages counted once, None where it cannot be had."""


class Surroundings(Protocol):
    """What is known of the container."""

    def usage_bytes(self) -> int | None:
        """Return what is charged to it now."""

    def facts(self, members: set[int]) -> ContainerFacts:
        """Return the rest."""


@define
class Pace:
    """Decide how long to rest between looks: little at first and while memory moves."""

    interval_seconds: float
    _paid_until_seconds: float = -CREDIT_SECONDS
    _current_seconds: float = SHORTEST_SECONDS
    _last_bytes: int = 0

    def rest_seconds(self, numbers: TreeNumbers, passed_seconds: float, cost_seconds: float) -> float:
        """Return the time to the next look."""
        moved = abs(numbers.peak_rss_bytes - self._last_bytes) > 0.02 * self._last_bytes + (1 << 20)
        self._last_bytes = numbers.peak_rss_bytes
        if moved:
            least = SHORTEST_SECONDS if passed_seconds < 1.0 else BUSY_SECONDS
            self._current_seconds = max(least, self._current_seconds / 2)
        else:
            self._current_seconds *= 1.15
        self._current_seconds = min(self._current_seconds, self.interval_seconds)
        start_seconds = max(self._paid_until_seconds, passed_seconds - CREDIT_SECONDS)
        self._paid_until_seconds = start_seconds + REST * cost_seconds
        return max(self._current_seconds, self._paid_until_seconds - passed_seconds)


@define(eq=False)
class Recorder:
    """One recording: `start`, then `stop`, both on the caller's thread; neither waits for a look."""

    folder: Path
    tree: Tree
    container: Surroundings | None
    pace: Pace
    wants_pss: bool
    _began: float = Factory(time.monotonic)
    _stopping: threading.Event = Factory(threading.Event)
    _thread: threading.Thread | None = None
    _error: BaseException | None = None
    _facts: ContainerFacts | None = None
    _facts_due: float = 0.0
    _pss_due: float = -PSS_CREDIT_SECONDS
    _pss_of_bytes: int = 0
    _last_rss_bytes: int = 0
    _pss_cost_seconds: float = 0.0
    """Of the last look, and in no other's budget."""
    _writer: CaptureWriter = field(init=False)

    def start(self, pid: int) -> None:
        """Begin to look. Raises OSError when the capture cannot be made."""
        started_at = datetime.now(timezone.utc).isoformat()
        self._writer = CaptureWriter(self.folder, {"pid": pid, "started_at": started_at})
        self._thread = threading.Thread(target=self._run, name="profilerkit-resources", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take a last look and end. Raises CaptureError when something went wrong on the way."""
        self._stopping.set()
        if self._thread is None:
            return
        self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            raise CaptureError(f"The last look at the process tree took over {JOIN_SECONDS:.0f} s.")
        if self._error is not None:
            raise CaptureError(f"Looking at the process tree failed: {self._error!r}") from self._error
        if self._writer.failures:
            raise CaptureError(f"The capture has gaps: {self._writer.failures[0]}.")

    def _run(self) -> None:
        try:
            rest = 0.0
            while not self._stopping.wait(rest):
                began = time.thread_time()
                numbers = self._look(is_last=False)
                cost_seconds = time.thread_time() - began - self._pss_cost_seconds
                rest = self.pace.rest_seconds(numbers, self._passed(), cost_seconds)
                if self._writer.is_long():
                    self._writer.thin()
            self._look(is_last=True)
        except Exception as error:  # noqa: BLE001 - told by `stop`, on the caller's thread
            self._error = error
        finally:
            self._writer.close()

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _look(self, *, is_last: bool) -> TreeNumbers:
        now_seconds = self._passed()
        is_first = self.tree.first_look() is None
        numbers = self.tree.look(now_seconds)
        first = self.tree.first_look()
        if is_first and first is not None:
            self._writer.note("first", first)
        self._writer.sample(self._sample(now_seconds, numbers, is_last=is_last))
        processes = self.tree.news() + (self.tree.summaries() if is_last else [])
        for process in processes:
            self._writer.note("process", process)
        self._look_at_container(now_seconds, is_last=is_last)
        if is_last:
            self._writer.note("end", End(now_seconds, self.tree.alive_seconds()))
        return numbers

    def _sample(self, now_seconds: float, numbers: TreeNumbers, *, is_last: bool) -> Sample:
        return Sample(
            at_seconds=round(now_seconds, 3),
            rss_bytes=numbers.rss_bytes,
            peak_rss_bytes=numbers.peak_rss_bytes,
            own_rss_bytes=numbers.own_rss_bytes,
            process_peak_rss_bytes=numbers.process_peak_rss_bytes,
            user_seconds=round(numbers.user_seconds, 3),
            system_seconds=round(numbers.system_seconds, 3),
            threads=numbers.threads,
            processes=numbers.processes,
            read_bytes=numbers.read_bytes,
            written_bytes=numbers.written_bytes,
            pss_bytes=None if is_last else self._pss_bytes(now_seconds, numbers.rss_bytes, numbers.processes),
            container_bytes=self.container.usage_bytes() if self.container is not None else None,
        )

    def _pss_bytes(self, now_seconds: float, rss_bytes: int, processes: int) -> int | None:
        """Walk the page tables seldom: there is something to divide, and memory has moved and settled."""
        self._pss_cost_seconds = 0.0
        moved = abs(rss_bytes - self._pss_of_bytes) > 0.05 * self._pss_of_bytes
        settled = abs(rss_bytes - self._last_rss_bytes) <= 0.05 * rss_bytes
        self._last_rss_bytes = rss_bytes
        if not (self.wants_pss and processes > 1 and moved and settled and now_seconds >= self._pss_due):
            return None
        began = time.thread_time()
        found = self.tree.pss_bytes()
        if found is not None:
            self._pss_of_bytes = rss_bytes
        self._pss_cost_seconds = time.thread_time() - began
        paid_until_seconds = max(self._pss_due, now_seconds - PSS_CREDIT_SECONDS)
        self._pss_due = paid_until_seconds + max(0.1, PSS_REST * self._pss_cost_seconds)
        return found

    def _look_at_container(self, now_seconds: float, *, is_last: bool) -> None:
        if self.container is None or (now_seconds < self._facts_due and not is_last):
            return
        self._facts_due = now_seconds + CONTAINER_SECONDS
        facts = self.container.facts(self.tree.pids())
        if facts != self._facts:
            self._facts = facts
            self._writer.note("container", facts)
