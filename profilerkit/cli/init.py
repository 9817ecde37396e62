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
FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT")


def run_as_init(command: Sequence[str], descriptor: int, spool: Path, settings: Mapping[str, Any]) -> int:
    """Run the launcher to its end and return the exit code that we should have; 128+n for signal n."""
    child = subprocess.Popen(command, pass_fds=(descriptor,))
    os.close(descriptor)
    for name in FORWARDED:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, lambda received, _frame: _forward(child.pid, received))
    status = _reap_until(child.pid)
    end = time.monotonic() + max(LONGEST_UPLOAD_SECONDS, float(settings["upload_timeout"]))
    while spool.exists() and time.monotonic() < end:
        _reap()
        time.sleep(0.05)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _forward(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _reap_until(pid: int) -> int:
    """Reap whatever ends until the program does; return its wait status."""
    while True:
        try:
            ended, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return 0
        if ended == pid:
            return status


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
