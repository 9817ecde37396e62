"""Keep signals that are meant for the program from threads, children and work of ours."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

from profilerkit import claims

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGABRT")


@contextlib.contextmanager
def held_from_new_threads() -> Iterator[None]:
    """Have threads that are started in the block take no signal, which they inherit for good.

    A program may block a signal in all of its threads and wait for it in one; a thread of ours that did
    not block it would take it, and the program would end. SIGALRM bounds what runs in the block.
    """
    before = block_all_but({getattr(signal, "SIGALRM", None)})
    try:
        yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def block_all_but(kept: set[int | None]) -> set[int] | None:
    """Block the signals that come from outside, for the calling thread; return the mask before."""
    if not hasattr(signal, "pthread_sigmask"):
        return None
    spared = {*kept, *(getattr(signal, name, None) for name in _OWN_FAULTS)}
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - spared))


def on_main_thread() -> bool:
    """Tell whether this thread is the one that runs Python's signal handlers."""
    threading = sys.modules.get("threading")  # a program without it has no other thread of Python
    # Not current_thread(): it would list a thread of ours among the program's.
    return threading is None or threading.main_thread().ident == _thread.get_ident()


@contextlib.contextmanager
def program_held() -> Iterator[None]:
    """Have the program's alarm and its signal handlers wait until the block has ended.

    A handler runs between any two steps of ours and may raise anything; what waited runs at the end of
    the block, and what it raises is raised there. Outside the main thread no handler runs.
    """
    if not on_main_thread():
        yield
        return
    with contextlib.ExitStack() as ends:
        _hold_handlers(ends)
        _hold_alarm(ends)
        yield


def _hold_handlers(ends: contextlib.ExitStack) -> None:
    came: list[int] = []
    held = {
        number: handler
        for number in signal.valid_signals()
        if callable(handler := signal.getsignal(number)) and not _is_left(number, handler)
    }

    def give_back() -> None:
        for number, handler in held.items():
            signal.signal(number, handler)
        with contextlib.ExitStack() as late:  # each gets its turn, whatever the others raise
            for each in came:
                late.callback(signal.raise_signal, each)

    ends.callback(give_back)
    for number in held:
        signal.signal(number, lambda number, _frame: came.append(number))


def _is_left(number: int, handler: Any) -> bool:
    """Tell whether a handler is a profiler's, or `asyncio`'s, which does nothing and is set with more."""
    return (
        isinstance(handler, int)
        or getattr(handler, "__module__", None) == "asyncio.unix_events"
        or hasattr(handler, "of_profiler")
        or claims.is_taken(f"signal:{getattr(number, 'name', number)}")
    )


def _hold_alarm(ends: contextlib.ExitStack) -> None:
    if hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is not None:
        ends.callback(resume_alarm, signal.setitimer(signal.ITIMER_REAL, 0), time.monotonic())


def resume_alarm(timer: tuple[float, float], began: float) -> None:
    """Set the program's alarm again; if it was due since `began` it comes at once."""
    remaining, interval = timer
    if remaining:
        late = remaining - (time.monotonic() - began)
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, late), interval)


@contextlib.contextmanager
def no_sigchld() -> Iterator[None]:
    """Keep the end of a child of ours from the program's SIGCHLD handler.

    The signal is held back on this thread and taken from the queue; where it stands for a child of the
    program's too, it is sent again. In a program with other threads one of those may get it.
    """
    if signal.getsignal(signal.SIGCHLD) in (signal.SIG_DFL, signal.SIG_IGN):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    pending = signal.SIGCHLD in signal.sigpending()
    try:
        yield
    finally:
        if not pending and signal.SIGCHLD in signal.sigpending():
            signal.sigwait([signal.SIGCHLD])
            if _has_ended_child():
                os.kill(os.getpid(), signal.SIGCHLD)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _has_ended_child() -> bool:
    if not hasattr(os, "waitid"):
        return True  # not known here
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
