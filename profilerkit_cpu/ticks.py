"""Attribute the main thread's CPU time: a timer on its CPU clock signals it, a handler looks at its stack.

The kernel delivers such a timer only at its own timer interrupt (every jiffy, 4 ms at 250 Hz), and only
while the thread runs: each signal is one look at a jiffy. Looks weigh alike. Weighing them by the CPU
time since the last one would favour code that follows long stretches nobody looked at. Python runs the
handler at the next bytecode, at the *end* of a C call, so there it has to work out how many jiffies
passed inside that call.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import signal
import sys
import threading
import time
from _thread import get_ident
from types import FrameType, FunctionType, MethodType
from typing import Any

from profilerkit_cpu.fold import ROOT, CallTree, LastStack
from profilerkit_cpu.timer import CpuTimer

SIGNAL_NAME = "SIGURG"
"""Ignored by default: a tick does no harm should the program reset its handlers. Go took it for the same."""

HANDLER_FILE = "<profilerkit_cpu>"
"""Coverage and debuggers leave files of such names alone, should they see the handler."""

HOOKED = "the program has a trace or profile hook of its own, which would see the handler"
WAKEUP = "the program has its signals written to a descriptor (signal.set_wakeup_fd)"
MEMRAYS_HOOK = int
"""What `sys.getprofile` returns for memray's hook, which may see the handler."""

LEAST_SECONDS = 0.0039
"""Where jiffies are shorter than this, looks are left out at random: none is needed more often."""

PREEMPTION_WEIGHT = 4
"""A thread that was preempted is without a processor for so much longer than one that was woken.

Measured on two processors with two other busy processes: 3 to 6 times.
"""

LOOKS_SHARE = 0.01
"""Where looks take more of the CPU time than this (stacks are deep), some are left out too."""

BUSY_SHARE = 0.95
"""A thread that ran this much of the time since the last look has hardly waited."""

OTHERS_SHARE = 0.05
"""Other threads that ran less than this of the time can wait for the next look."""

JITTER_SECONDS = 0.0001
"""A handler may run this much after its jiffy, and so the next one this much too early."""


class Ticks:
    """Look at the main thread at the ticks of its own CPU clock, into a tree that has a column `cpu`."""

    def __init__(self, tree: CallTree) -> None:
        self.tree = tree
        self.looks = 0
        self.began_seconds = 0.0
        """The thread's CPU time when it began."""
        self.reached_seconds = 0.0
        """The thread's CPU time at the last look: up to there the tree accounts for it."""
        self.ended: str | None = None
        """Why it ended before `stop`, in words."""
        self._seconds = tree.columns["cpu"]
        self._timer: CpuTimer | None = None
        self._handler: Any = None
        self._before: Any = None
        self._jiffy = 0.0
        self.handoffs = 0
        """Context switches of the main thread that the looks of the other estimator cost."""
        self.preempted_share = 0.5
        """Of the time that the thread was ready but had no processor, how much began while it ran.

        The rest followed a wait, and is a part of it to the code that waited.
        """
        self._waits = self._preemptions = 0
        self._burst = 0.0
        self.roused_seconds = 0.0
        """When a tick last released a lock for `rouse`, by the monotonic clock."""
        self._sleeper: Any = None
        # Since `rouse`, and each by itself: a tuple made on the other thread may have it collect garbage.
        self._calm_for = self._calm_since = self._calm_main = self._calm_others = 0.0
        self._calm_waits = 0
        self._random = 1
        self._least_seconds = LEAST_SECONDS
        self._last_stack = LastStack(ROOT)
        self._busy = False

    def start(self) -> str | None:
        """Begin, or return why that is not possible, in words."""
        number = getattr(signal, SIGNAL_NAME, None)
        if number is None or not sys.platform.startswith("linux"):
            return "this system has no CPU timers for threads"
        if not _on_main_thread():
            return "the recording did not start on the main thread"
        if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN):
            return f"the program handles {SIGNAL_NAME} itself"
        try:
            import resource

            self._usage = resource.getrusage
            self._jiffy = self._burst = time.clock_getres(6)  # CLOCK_MONOTONIC_COARSE
            timer = CpuTimer(number)
        except (ImportError, OSError, AttributeError) as error:
            return f"no CPU timer could be made ({error})"
        self._number = number
        code = Ticks._on_tick.__code__.replace(co_filename=HANDLER_FILE)
        function = FunctionType(code, globals())
        function.of_profiler = True  # type: ignore[attr-defined]
        self._handler = MethodType(function, self)
        self._before = signal.signal(number, self._handler)
        signal.siginterrupt(number, False)
        self._waits, self._preemptions = self._usage(1).ru_nvcsw, self._usage(1).ru_nivcsw
        self.began_seconds = self.reached_seconds = time.thread_time()
        self._timer = timer  # known before the first tick, which would take it for one that was ended
        timer.arm(self.began_seconds, self._jiffy / 20)
        return None

    def stop(self) -> None:
        """End, and give the signal back; off the main thread that happens a moment later on it."""
        self._end(None)
        if self._handler is None:
            return
        if _on_main_thread():
            self._give_back()
        elif signal.getsignal(self._number) is self._handler:
            signal.raise_signal(self._number)

    def make_way(self) -> None:
        """End before the program sets a hook; a tick that is on its way is over by then."""
        self._end(HOOKED)
        if self._handler is not None and _on_main_thread():
            self._give_back()  # what has come already is handled first

    def abandon(self) -> None:
        """Give the signal back in a forked child, which has no timer."""
        self._timer = None
        if self._handler is not None and _on_main_thread():
            self._give_back()

    @property
    def covers(self) -> bool:
        """Tell whether the looks stand for all CPU time of the main thread until now, or until `stop`."""
        return self._handler is not None and self.ended is None

    @property
    def accounted_seconds(self) -> float:
        """Return the main thread's CPU seconds that the looks stand for."""
        return self.reached_seconds - self.began_seconds

    def rouse(self, sleeper: Any, after_seconds: float, main_seconds: float) -> None:
        """Release the lock that `sleeper` is when a tick finds more than the main thread's work since now.

        That is: it has waited, or other threads have run. `main_seconds` is its CPU time now.
        """
        self._calm_for, self._calm_main, self._calm_waits = after_seconds, main_seconds, self._waits
        self._calm_others = time.process_time() - main_seconds
        self._calm_since = time.monotonic()
        self._sleeper = sleeper

    def let_sleep(self) -> None:
        """Release it no more."""
        self._sleeper = None

    def check(self) -> None:
        """End the timer, on any thread, if the program has taken the signal."""
        # Not `signal.getsignal`, whose enums are garbage to collect on this thread.
        if self._timer is not None and _signal.getsignal(self._number) is not self._handler:
            self._end(f"the program set its own handler of {SIGNAL_NAME}")

    def _end(self, reason: str | None) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            self.ended = reason
            timer.delete()

    def _give_back(self) -> None:
        if signal.getsignal(self._number) is self._handler:
            signal.signal(self._number, self._before)

    def _on_tick(self, signum: int, frame: FrameType | None) -> None:
        # Any other exception comes from a signal handler of the program that runs on top of this one.
        # Until it is clear that the program has no hook, nothing is called that such a hook would see.
        try:
            timer, hook = self._timer, sys.getprofile()
            if timer is None:
                self._give_back()  # it was ended on another thread
            elif sys.gettrace() is not None or not (hook is None or isinstance(hook, MEMRAYS_HOOK)):
                self._timer, self.ended = None, HOOKED
                timer.delete()
            elif (descriptor := signal.set_wakeup_fd(-1)) != -1:
                signal.set_wakeup_fd(descriptor)
                self._end(WAKEUP)
            elif not self._busy:
                self._busy = True
                try:
                    self._look(frame)
                finally:
                    self._busy = False
        except (RecursionError, MemoryError):
            pass

    def _look(self, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_filename == HANDLER_FILE:
            frame = frame.f_back  # the tick came as the handler of the last one was about to return
        usage = self._usage(1)  # RUSAGE_THREAD
        began = time.thread_time()
        waits, preemptions = usage.ru_nvcsw - self.handoffs - self._waits, usage.ru_nivcsw - self._preemptions
        self._waits += waits
        self._preemptions += preemptions
        self._note_switches(max(0, waits), preemptions)
        if self._sleeper is not None:
            self._look_for_news(began)
        seconds = self._jiffies_passed(began, waits) * self._jiffy
        if seconds < self._least_seconds:
            self._random = self._random * 1103515245 + 12345 & 0x7FFFFFFF
            if self._random * self._least_seconds > seconds * 0x7FFFFFFF:
                return
            seconds = self._least_seconds
        self._seconds[self.tree.fold(frame, self._last_stack)] += seconds
        self.looks += 1
        cost = (time.thread_time() - began) / LOOKS_SHARE
        self._least_seconds += 0.1 * (max(LEAST_SECONDS, cost) - self._least_seconds)

    def _look_for_news(self, cpu: float) -> None:
        now, sleeper = time.monotonic(), self._sleeper
        passed = now - self._calm_since
        if sleeper is None or passed < self._calm_for:
            return
        waited = self._waits > self._calm_waits and cpu - self._calm_main < BUSY_SHARE * passed
        if waited or time.process_time() - cpu - self._calm_others > OTHERS_SHARE * passed:
            self._sleeper, self.roused_seconds = None, now
            try:
                sleeper.release()
            except RuntimeError:
                pass  # it woke up at this very moment

    def _note_switches(self, waits: int, preemptions: int) -> None:
        if waits or preemptions:
            share = preemptions * PREEMPTION_WEIGHT / (waits + preemptions * PREEMPTION_WEIGHT)
            self.preempted_share += 0.05 * (share - self.preempted_share)

    def _jiffies_passed(self, cpu: float, waits: int) -> float:
        """Return how many jiffies the code that is looked at has run through, at least one."""
        used, jiffy = cpu - self.reached_seconds, self._jiffy
        if waits <= 0:  # it ran all the time since the last look
            passed = max(1, int((used + JITTER_SECONDS) / jiffy))
            self.reached_seconds = min(cpu, self.reached_seconds + passed * jiffy)
            return passed
        # It waited in between. Before the first wait half a jiffy went by unseen on average, and between
        # two waits a whole burst.
        unseen = 0.5 + (waits - 1) * min(1.0, self._burst / jiffy)
        self._burst += 0.05 * (used / waits - self._burst)
        self.reached_seconds = cpu
        return max(1.0, used / jiffy - unseen)


def _on_main_thread() -> bool:
    return threading.main_thread().ident == get_ident()
