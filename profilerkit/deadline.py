"""Bound how long a profiler's method may keep the user's thread."""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
import time
from collections.abc import Iterator


class Overdue(BaseException):
    """Raised inside a profiler's method that takes too long; not an Exception, so that few catch it."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise Overdue in the block when it takes longer than `seconds`.

    On the main thread a timer interrupts sleeps and waits too; on other threads the exception comes
    with the next bytecode. A C call that neither returns nor lets signals be handled is beyond reach.
    The program's own alarm and its handler are kept.
    """
    guard = (
        _Alarm if threading.current_thread() is threading.main_thread() and _alarm_is_free() else _AsyncRaise
    )
    with guard(max(0.01, seconds)):
        yield


def _alarm_is_free() -> bool:
    import signal

    return hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is not None


class _Alarm:
    """Interrupt the main thread with SIGALRM, borrowed from the program."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        import signal

        self._handler = signal.signal(signal.SIGALRM, self._overdue)
        self._began = time.monotonic()
        # Twice a second again, for a method that swallows the first.
        self._timer = signal.setitimer(signal.ITIMER_REAL, self._seconds, 0.5)

    def __exit__(self, *exc: object) -> None:
        import signal

        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        remaining, interval = self._timer
        if remaining:
            late = remaining - (time.monotonic() - self._began)
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, late), interval)

    @staticmethod
    def _overdue(_signal: int, _frame: object) -> None:
        raise Overdue


class _AsyncRaise:
    """Raise in another thread than the main one, from a helper thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = _thread.allocate_lock()

    def __enter__(self) -> None:
        self._thread = _thread.get_ident()
        self._lock.acquire()
        with contextlib.suppress(RuntimeError):  # no thread can be had: then there is no bound
            _thread.start_new_thread(self._watch, ())

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def _watch(self) -> None:
        import ctypes

        while not self._lock.acquire(timeout=self._seconds):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(Overdue)
            )
            self._seconds = 0.5


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
    return " ".join(f"{type(error).__name__}: {error}".split())[:500] + where
