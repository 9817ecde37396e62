"""`profilerkit airflow check` tells what works here and what does not."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.airflow.lab import TaskLab


def check(lab: TaskLab, **environment: str) -> tuple[int, str]:
    """Run the command and return its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "profilerkit", "airflow", "check"],
        env={**lab.airflow.environment, **environment},
        cwd=lab.folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


def test_where_all_is_well_it_says_so(task_lab: TaskLab) -> None:
    """Policy, plugin, profilers and the store are tried, not only looked at."""
    status, said = check(task_lab)
    assert (status, [line for line in said.splitlines() if line.startswith("no ")]) == (0, [])
    for each in ("The policy is loaded", "The plugin is loaded", "memray can be loaded", "takes and gives"):
        assert f"{each}" in said


def test_what_does_not_work_is_named(task_lab: TaskLab) -> None:
    """Rules, profilers and connections each have their sentence; the exit code is 1."""
    rules = [{"profilers": ["nonsense"]}, {"profilers": ["cpu"], "share": 7}]
    status, said = check(
        task_lab,
        AIRFLOW__PROFILERKIT__RULES=json.dumps(rules),
        AIRFLOW__PROFILERKIT__CHECKPOINT_INTERVAL="often",
        AIRFLOW__PROFILERKIT__STORE_CONN_ID="no_such_connection",
    )
    assert status == 1
    wrong = "\n".join(line for line in said.splitlines() if line.startswith("no "))
    for each in (
        "Rule 2 is left out",
        "No profiler named 'nonsense'",
        "checkpoint_interval",
        "no_such_connection",
    ):
        assert each in wrong
