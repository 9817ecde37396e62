"""Read what the kernel knows of one thread of this process: its CPU time, and its wait for a processor.

Neither lets go of the GIL, so that a round of samples is taken at one instant.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


def thread_clock(native_id: int) -> int:
    """Return the id of a thread's CPU clock, for `time.clock_gettime`.

    It is the kernel's own encoding (CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED, `linux/posix-timers.h`):
    for a thread that has ended the clock raises OSError, where `pthread_getcpuclockid` would crash.
    """
    return ~native_id << 3 | 6


def has_thread_clocks() -> bool:
    """Tell whether the CPU clocks of other threads can be read here."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        theirs = time.clock_gettime(thread_clock(threading.get_native_id()))
    except (OSError, OverflowError):
        return False
    return abs(theirs - time.thread_time()) < 0.1


def run_queue_reader() -> Callable[[int], float]:
    """Return a function from a native thread id to the seconds it was ready but had no processor.

    From `/proc/self/task/<id>/schedstat`; always 0 where the kernel does not count it. The file is
    opened and closed through calls that keep the GIL: no other thread finds the descriptor open.
    """
    try:
        import ctypes

        libc: Any = ctypes.PyDLL(None)
        open_, read, close = libc.open, libc.read, libc.close
        buffer = ctypes.create_string_buffer(96)
    except (ImportError, OSError, AttributeError, TypeError):
        return lambda native_id: 0.0
    flags = os.O_RDONLY | os.O_CLOEXEC

    def run_queue_seconds(native_id: int) -> float:
        descriptor = open_(b"/proc/self/task/%d/schedstat" % native_id, flags)
        if descriptor < 0:
            return 0.0
        length = read(descriptor, buffer, 95)
        close(descriptor)
        fields = buffer.raw[: max(0, length)].split()
        return int(fields[1]) * 1e-9 if len(fields) > 1 else 0.0

    return run_queue_seconds
