"""A worker whose caller was killed ends by itself, though it hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CALLER = """
import sys
from profilerkit.limits import Limits, run_job
sys.path.insert(0, sys.argv[1])
job = {"do": "read", "entry": "hanging:Reader", "folder": sys.argv[1], "options": {}, "versions": {},
       "roots": {}, "started_at": "2026-01-01T00:00:00Z", "interrupted": False, "target": "x"}
run_job(job, Limits(seconds=1.0))
"""

READER = """
import os, time, pathlib
class Reader:
    @classmethod
    def read(cls, capture):
        (capture.folder / "pid").write_text(str(os.getpid()))
        time.sleep(600)
"""


def test_a_hanging_worker_outlives_its_caller_only_shortly(tmp_path: Path) -> None:
    """It holds memory and files: who ended it is gone, so it ends itself."""
    (tmp_path / "hanging.py").write_text(READER)
    with subprocess.Popen([sys.executable, "-c", CALLER, str(tmp_path)]) as caller:
        mark = tmp_path / "pid"
        _wait(lambda: mark.exists() and mark.read_text() != "")
        caller.send_signal(signal.SIGSTOP)  # it must not end its worker first
        caller.kill()
    worker = int(mark.read_text())
    _wait(lambda: not Path(f"/proc/{worker}").exists() or _is_zombie(worker))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
