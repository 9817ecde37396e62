"""Measure how much longer a profiled task of Airflow takes, apart from the profiler's own slow-down.

    make airflow-bench                      on Airflow 2.11, side by side with airflow-memray
    .envs/airflow-3.3/bin/python benchmarks/airflow_cost.py [ROUNDS]

Before: from the start of the task instance to the first line of the user's code; after: from its last
line to the end of the task instance. What profiling adds to both together is what we add, with memray
on and `upload_timeout` at its default for workers. Variants take turns, medians are compared.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BARS = {"2.11": {"trivial": 0.25, "allocations": 0.30}, "3.3": {"trivial": 0.40, "allocations": 0.40}}
RULES = '[{"profilers": ["memray"]}]'
DAG = '''
import json, os, time
from datetime import datetime
try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models import DAG

def mark(what):
    with open(os.environ["MARKS"], "a") as file:
        file.write(json.dumps([what, time.time()]) + "\\n")

with DAG("bench", schedule=None, start_date=datetime(2024, 1, 1), catchup=False):
    @task
    def trivial():
        mark("first")
        mark("last")

    @task
    def allocations():
        """Allocate five million times, each larger than what Python's own allocator serves."""
        mark("first")
        keep = []
        for _ in range(5_000_000):
            keep.append(bytearray(600))
            if len(keep) > 1000:
                keep.clear()
        mark("last")

    trivial()
    allocations()
'''


class Bench:
    """One Airflow with its folder, and the settings of each variant."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dags").mkdir()
        (folder / "dags" / "bench.py").write_text(DAG)
        self.environment = {
            **os.environ,
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__PROFILERKIT__STORE": str(folder / "store"),
            "AIRFLOW__PROFILERKIT__SPOOL": str(folder / "spool"),
            "AIRFLOW__PROFILERKIT__ON_DEMAND": "",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTHONWARNINGS": "ignore",
            "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
        }
        self.variants: dict[str, dict[str, str]] = {
            "off": {},
            "profilerkit": {"AIRFLOW__PROFILERKIT__RULES": RULES},
        }
        if find_spec("airflow_memray"):
            base = f"file://{folder / 'peer'}"
            self.variants["airflow-memray"] = {
                "AIRFLOW__MEMRAY__TASKS": "*",
                "AIRFLOW__MEMRAY__BASE_FOLDER": base,
            }

    def run(self, task: str, variant: str, number: int) -> float:
        """Run a task once and return its seconds before and after the user's code."""
        marks = self.folder / f"marks-{task}-{variant}-{number}"
        environment = {**self.environment, **self.variants[variant], "MARKS": str(marks)}
        start, end = self._times(task, f"{variant}-{number}", environment)
        found = dict(map(tuple, map(json.loads, marks.read_text().splitlines())))
        return (found["first"] - start) + (end - found["last"])

    def _times(self, task: str, run: str, environment: dict[str, str]) -> tuple[float, float]:
        raise AssertionError


class Bench2(Bench):
    """Airflow 2: `airflow tasks run --local`, times from its database."""

    def prepare(self) -> None:
        """Make the database."""
        for command in (["db", "migrate"], ["dags", "reserialize"]):
            self._airflow(*command, environment=self.environment)

    def _airflow(self, *command: str, environment: dict[str, str]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *command], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def _times(self, task: str, run: str, environment: dict[str, str]) -> tuple[float, float]:
        run = f"{task}-{run}"
        self._airflow("dags", "trigger", "bench", "-r", run, environment=self.environment)
        self._airflow("tasks", "run", "bench", task, run, "--local", "-A", "-f", environment=environment)
        query = "select state, start_date, end_date from task_instance where run_id=? and task_id=?"
        with sqlite3.connect(self.folder / "airflow.db") as database:
            state, start, end = database.execute(query, (run, task)).fetchone()
        assert state == "success", state
        return seconds(start), seconds(end)


class Bench3(Bench):
    """Airflow 3: the real supervisor; times are those of its calls to the API server."""

    def prepare(self) -> None:
        """Start the process that runs tasks."""
        program = Path(__file__).parents[1] / "tests" / "airflow" / "run_tasks.py"
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def _times(self, task: str, run: str, environment: dict[str, str]) -> tuple[float, float]:
        own = {name: each for name, each in environment.items() if self.environment.get(name) != each}
        wanted = {"file": "bench.py", "dag": "bench", "task": task, "run": run, "try": 1, "environment": own}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer["exit"] == 0, answer
        return answer["calls"]["run"], answer["calls"]["state"]


def seconds(text: str) -> float:
    """Return a time of Airflow's database, which is in UTC, as seconds since the epoch."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def import_seconds() -> float:
    """Return how long `import memray` takes in a new process."""
    program = "import time; began = time.perf_counter(); import memray; print(time.perf_counter() - began)"
    times = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(3)]
    return statistics.median(times)


def main() -> int:
    """Measure, print a table, and return 1 if a bar was missed."""
    if not find_spec("airflow"):
        print("Airflow is not installed here: make airflow-bench")
        return 0
    from profilerkit_airflow import compat

    version = "{}.{}".format(*compat.version())
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    missed = False
    with tempfile.TemporaryDirectory(prefix="airflow-cost-") as scratch:
        bench = (Bench3 if compat.is_airflow_3() else Bench2)(Path(scratch))
        bench.prepare()
        print(f"Airflow {version}, {rounds} rounds; import memray {import_seconds():.3f} s")
        print(f"{'task':12} {'variant':15} {'before and after':>17} {'added':>8} {'bar':>6}")
        for task, bar in BARS.get(version, BARS["3.3"]).items():
            times: dict[str, list[float]] = defaultdict(list)
            for number in range(rounds):
                for variant in bench.variants:
                    times[variant].append(bench.run(task, variant, number))
                    time.sleep(1.0)  # what ships beside it is not to slow the next one
            off = statistics.median(times["off"])
            for variant, found in times.items():
                added = statistics.median(found) - off
                own = variant == "profilerkit"
                missed |= own and added > bar
                print(
                    f"{task:12} {variant:15} {statistics.median(found):15.3f} s {added:+7.3f}"
                    f" {bar if own else '':>6}",
                    flush=True,
                )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
