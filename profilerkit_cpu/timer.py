"""Make a POSIX timer that runs on the CPU clock of the calling thread and signals it and no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

SIGEV_THREAD_ID = 4
TIMER_ABSTIME = 1


class CpuTimer:
    """A timer on the calling thread's CPU clock.

    It runs only while the thread uses the processor, so it interrupts no waiting call, and both an
    exec and a fork end it. (`ITIMER_PROF` counts for all threads and signals any; over an exec it
    stays armed and kills the new program.)
    """

    def __init__(self, signal_number: int) -> None:
        import ctypes

        class Event(ctypes.Structure):
            _fields_ = [
                ("value", ctypes.c_void_p),
                ("signal_number", ctypes.c_int),
                ("notify", ctypes.c_int),
                ("thread_id", ctypes.c_int),
                ("rest", ctypes.c_char * 64),
            ]

        self._ctypes = ctypes
        self._libc = _library(ctypes)
        self._id = ctypes.c_void_p()
        event = Event(None, signal_number, SIGEV_THREAD_ID, threading.get_native_id())
        if self._libc.timer_create(time.CLOCK_THREAD_CPUTIME_ID, ctypes.byref(event), ctypes.byref(self._id)):
            raise OSError(ctypes.get_errno(), "timer_create failed")
        self.delete: Callable[[], Any] = partial(self._libc.timer_delete, self._id)
        """Ends it, on any thread. It is no Python function, for a profile hook to see."""

    def arm(self, origin_seconds: float, interval_seconds: float) -> None:
        """Expire at each multiple of the interval after `origin_seconds` of the thread's CPU time."""
        every, first = (round(each * 1e9) for each in (interval_seconds, origin_seconds + interval_seconds))
        setting = (self._ctypes.c_long * 4)(*divmod(every, 10**9), *divmod(first, 10**9))
        if self._libc.timer_settime(self._id, TIMER_ABSTIME, self._ctypes.byref(setting), None):
            raise OSError(self._ctypes.get_errno(), "timer_settime failed")


def _library(ctypes: Any) -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "timer_create"):
        return library
    return ctypes.CDLL("librt.so.1", use_errno=True)  # glibc before 2.34
