"""Find out how a process ended that said no goodbye, and put it in words that claim no more than is known."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from profilerkit import process

Found = dict[str, Any]
"""One piece of evidence as JSON; see `model.Evidence`."""


def piece(kind: str, text: str, **data: Any) -> Found:
    """Return one piece of evidence."""
    return {"kind": kind, "text": text, "data": data}


def wait_status(pidfd: int | None, pid: int) -> int | None:
    """Return the wait status of a process that just died; a zombie may take a moment to be reaped."""
    for _ in range(20):
        status = process.exit_status(pidfd, pid)
        if status is not None:
            return status
        time.sleep(0.05)
    return None


def of_death(status: int | None) -> Found:
    """Return the evidence in a wait status, or in its absence."""
    if status is None:
        text = "ended without goodbye: killed, or by os._exit (its exit status is unknown here)"
        return piece("silent_end", text, exit_status=None)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return piece("signal", f"ended by {name}", exit_status=status)
    code = os.WEXITSTATUS(status)
    text = f"ended without goodbye (os._exit, or another program), exit status {code}"
    return piece("silent_end", text, exit_status=status)


def of_oom(before: Mapping[str, int], after: Mapping[str, int]) -> list[Found]:
    """Return what the counters of the kernel's OOM killer say: sure for the container, else suspected."""
    for where, count in before.items():
        rose = after.get(where, count) - count
        if rose > 0:
            unsure = "" if where == "container" else ": suspected, it counts every process of the machine"
            return [piece("oom_kill", f"{where} oom_kill rose by {rose}{unsure}", where=where, rose=rose)]
    return []
