"""Look at every thread from a thread of our own, at random intervals, and account for its time.

A look needs the GIL, so it comes when a thread lets go of it. That makes two kinds of time:

- *On the processor*: a thread's CPU clock says how much. It belongs to code that was seen running: that
  had to be interrupted for the look, or whose CPU clock went on during it (C code without the GIL).
- *Off it*: the rest. It belongs to code that was seen waiting. A wait that begins just as a look is due
  is met too often, since that is when the GIL becomes free: such a look does not count.

What cannot be assigned at one look is carried over to the next that can, so nothing is lost, and code
is credited in proportion to how often it is met.
"""

from __future__ import annotations

import sys
import threading
import time
from _thread import get_ident
from collections.abc import Callable, Mapping
from types import FrameType

from profilerkit_cpu import fold, ticks
from profilerkit_cpu.fold import CallTree
from profilerkit_cpu.garbage import GarbagePause
from profilerkit_cpu.threads import ThreadAccount, Threads
from profilerkit_cpu.ticks import BUSY_SHARE, HANDLER_FILE, Ticks

PROMPT_SECONDS = 0.0005
"""A look that comes no later than this after it was due found the GIL free."""

MAX_CARRIED = 50
"""After so many looks what is still carried is assigned to the best guess."""

HANDOFF_SWITCHES = 2
"""A thread that has to give the GIL away sleeps twice: until it is taken, and until it is free again."""

OUR_FILES = frozenset({HANDLER_FILE, fold.__file__, ticks.__file__})
"""Where the main thread may be while it handles a tick, on top of its own stack."""

AVERAGED_SECONDS = 0.1
"""Over about so long it is said how busy the main thread is."""

IDLE_SECONDS = 20e-6
"""If other threads ran no longer than this together, nothing has changed."""


class ThreadSampler:
    """Account for the time of all threads, in a tree with columns `cpu` and `wall`.

    Everything after `begin` is for one thread alone, whose own time is left out.
    """

    def __init__(
        self,
        tree: CallTree,
        *,
        run_queue_seconds: Callable[[int], float] | None,
        main_ticks: Ticks,
    ) -> None:
        self.tree = tree
        self.threads = Threads(tree, run_queue_seconds)
        self.looks = 0
        self.longest_gap_seconds = 0.0
        self.learned_little = False
        """Whether all that the last look found was the main thread at work, which its ticks show anyway."""
        self.busy_share = 1.0
        """How much of the last `AVERAGED_SECONDS` or so the main thread, which ticks, was at work."""
        self.garbage = GarbagePause()
        self.has_clocks = run_queue_seconds is not None
        self._ticks = main_ticks
        """They assign the main thread's CPU time, while they last."""
        self._main = threading.main_thread().ident
        self._cpu, self._wall = tree.columns["cpu"], tree.columns["wall"]
        self._last = 0.0
        self._idle = 0.0
        self._others = -1.0
        self._switch_seconds = 0.005

    def begin(self) -> None:
        """Note where every thread stands, on the thread that starts the recording."""
        self._last = time.monotonic()
        for ident, frame in sys._current_frames().items():
            self.threads.open(ident, frame, existed=True)

    def nothing_ran(self, now: float) -> bool:
        """Tell whether no other thread ran since the last look: then all are waiting where they were."""
        others = time.process_time() - time.thread_time()
        if not self.has_clocks or others - self._others > IDLE_SECONDS:
            self._others = others
            return False
        self._idle += now - self._last
        self._last = now
        self.busy_share = 0.0
        return True

    def look(self, now: float, due: float, *, ending: int | None = None) -> None:
        """Look at all threads; `ending` is the ident of one that stops the recording: its stack is ours."""
        elapsed = now - self._last
        self._last = now
        self._switch_seconds = sys.getswitchinterval()
        self.longest_gap_seconds = max(self.longest_gap_seconds, elapsed)
        self.looks += 1
        self.learned_little = True
        with self.garbage:
            self._look_at_all(elapsed, now - due, ending)
        self._idle = 0.0

    def settle(self) -> None:
        """Assign all that is still carried."""
        for account in self.threads.accounts.values():
            self._settle(account)

    def owed(self) -> Mapping[int, tuple[float, float]]:
        """Return the CPU and wall seconds that are still carried, by where the thread was seen last."""
        found: dict[int, tuple[float, float]] = {}
        for account in self.threads.accounts.values():
            cpu, wall = found.get(account.node, (0.0, 0.0))
            wall += account.owed_busy + account.owed_off + self._idle
            found[account.node] = (cpu + account.owed_cpu, wall)
        return found

    def _look_at_all(self, elapsed: float, late: float, ending: int | None) -> None:
        frames = sys._current_frames()
        frames.pop(get_ident(), None)
        ticked = self._main if self._ticks.covers else None
        for ident, frame in frames.items():
            account = self.threads.account(ident)
            if account is None:
                account = self.threads.open(ident, frame)
                elapsed_here = elapsed / 2  # on average it came in the middle
            else:
                elapsed_here = elapsed
                self._wall[account.node] += self._idle
                account.group.wall += self._idle
            if not account.ignored:
                while frame.f_code.co_filename in OUR_FILES and frame.f_back is not None:
                    frame = frame.f_back
                self._look_at(
                    account, None if ident == ending else frame, elapsed_here, late, ident == ticked
                )
        accounts = self.threads.accounts
        for ident in [each for each in accounts if each not in frames]:
            self._settle(accounts.pop(ident))

    def _look_at(
        self, account: ThreadAccount, frame: FrameType | None, elapsed: float, late: float, ticked: bool
    ) -> None:
        account.group.wall += elapsed
        before = account.node
        if account.clock is None:
            if frame is not None:
                account.node = self.tree.fold(frame, account.last_stack)
            self._wall[account.node] += elapsed
            return
        cpu = account.read_cpu()
        used = cpu - account.cpu
        if used <= 0.0:
            if ticked:
                self._average(0.0, elapsed)
            self._wall[before] += elapsed + account.owed_off  # it has not moved
            account.owed_off = 0.0
            account.running = False
            account.waited_at = before
            return
        account.cpu = cpu
        if frame is not None:
            account.node = self.tree.fold(frame, account.last_stack)
        goes_on = account.read_cpu() > cpu
        queued = self.threads.queued(account, used)
        if ticked:
            queued *= self._ticks.preempted_share
        busy = min(elapsed, used + queued)
        if ticked:
            self._average(busy, elapsed)
        account.group.cpu += used
        account.group.queued += max(0.0, busy - used)
        if not ticked:
            account.owed_cpu += used
            account.owed_busy += busy
        had_gil = late > PROMPT_SECONDS and used > 0.8 * min(late, self._switch_seconds)
        was_interrupted = had_gil and late > 0.9 * self._switch_seconds
        if ticked and was_interrupted:
            self._ticks.handoffs += HANDOFF_SWITCHES
        elif not ticked or busy < BUSY_SHARE * elapsed:
            self.learned_little = False
        self._assign(account, before, elapsed - busy, goes_on or was_interrupted, had_gil)

    def _average(self, busy: float, elapsed: float) -> None:
        share = busy / elapsed if elapsed > 0 else 0.0
        self.busy_share += min(1.0, elapsed / AVERAGED_SECONDS) * (share - self.busy_share)

    def _assign(self, account: ThreadAccount, before: int, off: float, runs: bool, unsure: bool) -> None:
        if runs:
            if account.running:
                account.owed_off += off
            else:  # it was waiting at the last look, and has begun to run since
                self._wall[before] += off + account.owed_off
                account.owed_off = 0.0
            account.running = True
            self._credit_busy(account)
        elif unsure:
            account.owed_off += off
            account.running = True
            account.waited_at = account.node
        else:
            account.waited_at = account.node
            half = 0.0 if account.running else off / 2
            self._wall[before] += half
            self._wall[account.node] += off - half + account.owed_off
            account.owed_off = 0.0
            account.running = False
        account.carried = account.carried + 1 if account.owed_cpu or account.owed_off else 0
        if account.carried > MAX_CARRIED:
            self._settle(account)

    def _credit_busy(self, account: ThreadAccount) -> None:
        self._cpu[account.node] += account.owed_cpu
        self._wall[account.node] += account.owed_busy
        account.owed_cpu = account.owed_busy = 0.0

    def _settle(self, account: ThreadAccount) -> None:
        self._credit_busy(account)
        self._wall[account.waited_at] += account.owed_off
        account.owed_off = 0.0
        account.carried = 0
