"""Keep signals that are meant for the program from threads and children of ours."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

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
