"""Do work on captures in a subprocess with limits of memory, time and output.

A damaged capture can crash its reader, a hostile one can make it grow or hang: the caller only ever
sees a result or a CaptureError.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from profilerkit.errors import CaptureError, LimitError

MIB = 1 << 20


@frozen
class Limits:
    """What one job may use."""

    memory_bytes: int = 4096 * MIB
    """Of address space, which is more than what is resident."""
    seconds: float = 600.0
    output_bytes: int = 1024 * MIB


def run_job(job: dict[str, Any], limits: Limits | None = None) -> dict[str, Any]:
    """Run one job of `profilerkit.worker` and return its answer.

    Raises LimitError when it met a limit, CaptureError when it failed or crashed.
    """
    limits = limits or Limits()
    command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
    question = json.dumps({**job, "limits": asdict(limits), "sys_path": sys.path}).encode()
    worker = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    try:
        answer, words = worker.communicate(question, timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        raise LimitError(f"It took over {limits.seconds:.0f} s and was ended.") from None
    finally:
        _end(worker)
    return _answer(worker.returncode, answer, words)


def _end(worker: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _answer(status: int, answer: bytes, words: bytes) -> dict[str, Any]:
    last = words.decode("utf-8", "replace").strip().splitlines()[-1:]
    if status < 0:
        name = signal.Signals(-status).name
        raise CaptureError(f"The reader of this capture crashed ({name}): it is probably damaged.")
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise CaptureError(f"The reader of this capture failed ({' '.join(last) or status}).") from None
    if found.get("limit"):
        raise LimitError(found["error"])
    if found.get("error"):
        raise CaptureError(found["error"])
    return found
