"""Small tasks for tests of the selection, of what tasks see of us, and of failures in us."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models import DAG

# Where Python is embedded its executable is none; this file is read in the task's own process.
sys.executable = os.environ.get("SMALL_EXECUTABLE", sys.executable)

with DAG("small", schedule=None, start_date=datetime(2024, 1, 1), catchup=False, tags=["nightly"]):

    @task(owner="ada", queue="default")
    def look() -> str:
        """Tell what the process of a task has of us while its code runs."""
        import threading

        ours = [name for name in sys.modules if name.startswith("profilerkit")]
        heavy = [name for name in ("memray", "pyinstrument", "fsspec", "stevedore") if name in sys.modules]
        mark = getattr(sys, "context_of_a_test", None)
        keep = [bytearray(1 << 20) for _ in range(5)]
        found = {
            "ours": ours,
            "heavy": heavy,
            "mark": mark,
            "threads": threading.active_count(),
            "kept": len(keep),
        }
        return json.dumps(found)

    look()

    @task
    def fails() -> None:
        raise ValueError("a reason of its own")

    fails()

    @task
    def killed() -> None:
        keep = [bytearray(1 << 20) for _ in range(5)]
        os.kill(os.getpid(), 9)
        assert keep

    killed()

    @task
    def waits() -> None:
        """Hold 20 MiB until it is killed."""
        keep = [bytearray(1 << 20) for _ in range(20)]
        time.sleep(600)
        assert keep

    waits()
