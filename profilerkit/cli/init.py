"""Be a small init: run the program as our child, reap orphans, pass signals on, outlive the upload.

For `profilerkit run` as PID 1 of a container, or where orphans become our children: there the watcher
would end with us, or be a child that the program waits for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LONGEST_UPLOAD_SECONDS = 30.0
NOT_FORWARDED = (
    *("SIGKILL", "SIGSTOP", "SIGCHLD", "SIGTSTP", "SIGTTIN", "SIGTTOU"),
    *("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"),
)


def run_as_init(
    command: Sequence[str], environment: Mapping[str, str], spool: Path, settings: Mapping[str, Any]
) -> int:
    """Run the launcher to its end and return the exit code that we should have.

    A signal that ended it ends us too; as PID 1, which no signal ends, we exit with 128+n.
    """
    if not hasattr(os, "posix_spawn"):
        return subprocess.call(command, env=environment, close_fds=False)
    ours = signal.valid_signals() - {getattr(signal, name, None) for name in NOT_FORWARDED}
    waited = {*ours, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    # With our descriptors, dispositions and mask, as if it had been executed in our place.
    child = os.posix_spawn(command[0], list(command), environment, setsigmask=before)
    _let_go_of_descriptors()
    status = _serve_until(child, waited)
    end = time.monotonic() + max(LONGEST_UPLOAD_SECONDS, float(settings["upload_timeout"]))
    while spool.exists() and time.monotonic() < end:
        _reap()
        time.sleep(0.05)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    if os.getpid() != 1:
        _die_by(number, before)
    return 128 + number


def _let_go_of_descriptors() -> None:
    """Keep no pipe open longer than the program does."""
    null = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(null, each)
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, limit if 0 < limit < 1 << 20 else 1 << 16)


def _serve_until(pid: int, waited: set[Any]) -> int:
    """Reap whatever ends and pass signals on until the program ends; return its wait status."""
    while True:
        found = signal.sigwaitinfo(waited)
        if found.si_signo == signal.SIGCHLD:
            status = _reap().get(pid)
            if status is not None:
                return status
        elif found.si_code <= 0:  # what the kernel sends, a terminal's Ctrl-C, goes to the whole group
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, found.si_signo)


def _reap() -> dict[int, int]:
    """Reap what has ended; return the wait statuses by process id."""
    statuses = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            statuses[pid] = status
    return statuses


def _die_by(number: int, mask: set[Any]) -> None:
    """End by the signal that ended the program, without a core of our own."""
    with contextlib.suppress(OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask - {number})
    os.kill(os.getpid(), number)
