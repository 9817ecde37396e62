"""Measure what we cost an Airflow where nothing is profiled: the policy's import, and a task nobody chose.

    .envs/airflow-3.3/bin/python benchmarks/airflow_idle.py

The import is that of our provider and our policy, less what Airflow imports of the standard library by
itself. The task's cost is the CPU time of entering and leaving its contexts in a forked process, as on a
worker; requests are off, so that no look-up is in it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from types import SimpleNamespace

ROUNDS = 7
BARS = {"policy import": 30.0, "task that nobody chose": 5.0}
RULES = '[{"dag": "other_*", "profilers": ["memray"]}, {"tag": "weekly", "profilers": ["cpu"]}]'


def environment(home: str) -> dict[str, str]:
    """Return the environment of an Airflow with rules that choose nothing."""
    return {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__PROFILERKIT__RULES": RULES,
        "AIRFLOW__PROFILERKIT__ON_DEMAND": " ",
        "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    }


def import_milliseconds(home: str) -> float:
    """Return the CPU time of importing our provider and our policy, as each process of Airflow does."""
    program = (
        "import attrs, datetime, fnmatch, hashlib, inspect, json, logging, pathlib, time, urllib.parse\n"
        "began = time.process_time()\n"
        "import profilerkit_airflow.provider\n"
        "used = time.process_time() - began\n"
        "import airflow.policies\n"
        "began = time.process_time()\n"
        "import profilerkit_airflow.policy\n"
        "print('milliseconds', (used + time.process_time() - began) * 1000)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True)
    return float(done.stdout.rsplit("milliseconds", 1)[1])


def task_milliseconds() -> float:
    """Return the CPU time of a task that nobody chose, of what we do for it."""
    os.environ.update(environment(os.environ["AIRFLOW_HOME"]))
    import airflow.settings

    airflow.settings.initialize()
    from airflow.models import BaseOperator
    from airflow.models.dag import DAG
    from airflow.plugins_manager import ensure_plugins_loaded

    from profilerkit_airflow import compat, hook

    ensure_plugins_loaded()
    compat.entry_points(hook.__name__)  # task processes have read them all for their plugins
    with DAG("dag", schedule=None):
        operator = BaseOperator(task_id="task")
    names = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1, "try_number": 1}
    instance = SimpleNamespace(**names, task=operator)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        began = time.process_time()
        contexts = hook.Contexts()
        contexts.enter(instance, {"dag_run": None})
        contexts.leave(None)
        os.write(write, f"{(time.process_time() - began) * 1000}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    return float(os.read(read, 100))


def main() -> int:
    """Measure, print a table, and return 1 if a bar was missed."""
    if sys.argv[1:] == ["task"]:
        print("milliseconds", task_milliseconds())
        return 0
    if not find_spec("airflow"):
        print("Airflow is not installed here: make airflow")
        return 0
    with tempfile.TemporaryDirectory(prefix="airflow-idle-") as home:
        imports = [import_milliseconds(home) for _ in range(ROUNDS)]
        tasks = []
        for _ in range(ROUNDS):
            command = [sys.executable, __file__, "task"]
            done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True)
            tasks.append(float(done.stdout.rsplit("milliseconds", 1)[1]))
    missed = False
    for what, found in zip(BARS, (imports, tasks), strict=True):
        median = statistics.median(found)
        missed |= median > BARS[what]
        print(
            f"{what:24} {median:6.1f} ms   bar {BARS[what]:4.0f} ms   of {min(found):.1f} to {max(found):.1f}"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
