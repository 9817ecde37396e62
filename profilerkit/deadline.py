"""Bound how long a profiler's method may keep the thread that calls it."""

from __future__ import annotations

import _thread
import contextlib
import sys
import time
from collections.abc import Callable
from types import CodeType, FrameType

from profilerkit.errors import CaptureError
from profilerkit.signals import block_all_but, on_main_thread, resume_alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")


AGAIN_SECONDS = 0.2
"""How soon what swallows the first Overdue gets another."""


class Overdue(BaseException):
    """Raised inside a profiler's method that takes too long; not an Exception, so that few catch it."""


def bounded(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns; raise Overdue inside it when it takes longer than `seconds`.

    On the main thread a timer interrupts sleeps and waits too; on other threads the exception comes
    with the next bytecode, so that a call that waits in C is beyond reach there. Overdue is raised in
    frames below `work` only, never in the program's or in ours. The program's own alarm and its
    handler are kept.
    """

    def call() -> T:
        return work()

    guard = (_Alarm if _alarm_can_be_borrowed() else _AsyncRaise)(max(0.01, seconds), call.__code__)
    guard.arm()
    try:
        return call()
    finally:
        guard.disarm()


def describe(error: BaseException) -> str:
    """Return what a profiler's failure was, in one line."""
    if isinstance(error, Overdue):
        return "it took too long and was given up"
    where = ""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None and sys.flags.dev_mode:
        where = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception whose words fail too
        text = type(error).__name__
    return " ".join(text.split())[:500] + where


def why_partial(error: BaseException) -> str:
    """Return what an error of `stop` says of the capture: the profiler's own words, or that it failed."""
    return str(error) if isinstance(error, CaptureError) else f"stop failed: {describe(error)}"


def _alarm_can_be_borrowed() -> bool:
    """Tell whether this is the main thread, with no alarm handler that Python could not give back."""
    import signal

    return on_main_thread() and hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is not None


def _is_below(frame: FrameType | None, code: CodeType) -> bool:
    """Tell whether a frame is one of this code, or was called from it."""
    while frame is not None:
        if frame.f_code is code:
            return True
        if frame.f_code in (_Alarm.disarm.__code__, _AsyncRaise.disarm.__code__):
            return False
        frame = frame.f_back
    return False


class _Alarm:
    """Interrupt the main thread with SIGALRM, borrowed from the program."""

    def __init__(self, seconds: float, code: CodeType) -> None:
        self._seconds = seconds
        self._code = code

    def arm(self) -> None:
        """Set the alarm, and remember the program's."""
        import signal

        self._handler: Any = signal.signal(signal.SIGALRM, self._overdue)
        self._began = time.monotonic()
        self._timer = signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN_SECONDS)

    def disarm(self) -> None:
        """Give the alarm back; one of the program's that was due meanwhile comes now."""
        import signal

        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        resume_alarm(self._timer, self._began)

    def _overdue(self, _signal: int, frame: FrameType | None) -> None:
        if _is_below(frame, self._code):
            raise Overdue


class _AsyncRaise:
    """Raise in another thread than the main one, from a helper thread."""

    def __init__(self, seconds: float, code: CodeType) -> None:
        self._seconds = seconds
        self._code = code
        self._ended = _thread.allocate_lock()
        self._turn = _thread.allocate_lock()
        self._over = False
        self._struck = False

    def arm(self) -> None:
        """Start the helper; where no thread can be had there is no bound."""
        self._thread = _thread.get_ident()
        self._ended.acquire()
        with contextlib.suppress(RuntimeError):
            _thread.start_new_thread(self._watch, ())

    def disarm(self) -> None:
        """End the helper, and take back what it has sent and did not arrive in time."""
        while True:
            try:
                with self._turn:
                    self._over = True
                if self._struck:
                    self._send(None)
                if self._ended.locked():
                    self._ended.release()
                return
            except Overdue:
                continue

    def _watch(self) -> None:
        block_all_but(set())
        wait = self._seconds
        while not self._ended.acquire(timeout=wait):
            with self._turn:
                if self._over:
                    return
                if _is_below(sys._current_frames().get(self._thread), self._code):
                    self._struck = True
                    self._send(Overdue)
            wait = AGAIN_SECONDS

    def _send(self, what: type[Overdue] | None) -> None:
        import ctypes

        sent = None if what is None else ctypes.py_object(what)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), sent)
