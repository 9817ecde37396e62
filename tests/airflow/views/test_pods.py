"""A pod that is killed as a whole leaves its last checkpoint, and shows as interrupted.

The pod is a pid namespace: when its first process is killed, the kernel kills all others at once, as
a container ends. What it had on its disk is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.airflow import run_tasks
from tests.airflow.stack import AIRFLOW_3, stored, wait_for
from tests.airflow.support.served import Served

RUN = "r1" if AIRFLOW_3 else "2024-01-01"
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
TASK = {"file": "small.py", "dag": "small", "task": "waits", "try": 1, "run": RUN, "environment": {}}


class Pod:
    """A task that runs with everything of its own."""

    def __init__(self, airflow: Served, folder: Path) -> None:
        self.store = Path(airflow.airflow.store)
        self.spool = folder / "spool"
        environment = {
            **airflow.airflow.environment(),
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "AIRFLOW_IS_K8S_EXECUTOR_POD": "True",
            "AIRFLOW__PROFILERKIT__SPOOL": str(self.spool),
            "AIRFLOW__PROFILERKIT__RULES": '[{"profilers": ["resources", "cpu", "memray"]}]',
            "AIRFLOW__PROFILERKIT__CHECKPOINT_INTERVAL": "1",
        }
        self.log = folder / "pod.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*NAMESPACE, sys.executable, run_tasks.__file__],
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(TASK).encode() + b"\n")
        self.process.stdin.flush()
        child = f"/proc/{self.process.pid}/ns/pid_for_children"
        ours = os.readlink("/proc/self/ns/pid")
        wait_for(lambda: os.readlink(child) != ours, 20, "the namespace")
        self.namespace = os.readlink(child)

    def processes(self) -> set[str]:
        """Return the pids of what runs in it."""
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/ns/pid") == self.namespace:
                    found.add(pid)
        return found

    def kill(self) -> None:
        """Kill its first process, and with it all, and lose its disk."""
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not self.processes(), 20, lambda: str(self.processes()))
        shutil.rmtree(self.spool)

    def recording(self) -> dict[str, Any] | None:
        """Return what the store has of its task."""
        return next((each for each in stored(self.store) if each["names"]["task_id"] == "waits"), None)


@pytest.fixture
def pod(airflow: Served, tmp_path: Path) -> Iterator[Pod]:
    """Give a pod that runs a task."""
    probe = subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("needs root, to make a pid namespace")
    found = Pod(airflow, tmp_path)
    yield found
    found.process.kill()
    found.process.wait()


def test_a_pod_killed_as_a_whole_is_interrupted_with_its_last_checkpoint(airflow: Served, pod: Pod) -> None:
    """Its task, the watcher and ship die at once and its disk is lost; what was checkpointed can be seen."""

    def checkpointed() -> bool:
        found = pod.recording() or {"captures": []}
        uploaded = {each["profiler"] for each in found["captures"] if each["files"]}
        return uploaded == {"resources", "cpu", "memray"} and found["revision"] >= 3

    wait_for(checkpointed, 180, lambda: f"{pod.recording()} {pod.log.read_text()[-3000:]}")
    running = pod.recording()
    assert running is not None
    assert (running["status"], len(pod.processes()) >= 3) == ("running", True)

    pod.kill()
    admin = airflow.client("admin")
    found = f"id:{running['id']}"

    def shown() -> dict[str, Any]:
        rows = admin.get("/profilerkit/api/v1/recordings", params={"q": found}).json()["recordings"]
        return dict(rows[0])

    wait_for(lambda: shown()["status"] == "interrupted", 60, lambda: str(shown()))
    names = {"dag_id": "small", "run_id": running["names"]["run_id"], "task_id": "waits", "map_index": "-1"}
    page = admin.get("/profilerkit/task", params=names, follow_redirects=True)
    assert page.status_code == 200
    assert "nterrupted" in page.text
    detail = admin.get(f"/profilerkit/recordings/{running['id']}", follow_redirects=True)
    assert "no sign of life since" in detail.text
    # It holds still what the task held.
    assert (pod.recording() or {})["status"] == "running"
    hot = f"/profilerkit/api/v1/recordings/{running['id']}/hot"
    wait_for(lambda: admin.get(hot).status_code == 200, 120, lambda: admin.get(hot).text)
    rows = [row for table in admin.get(hot).json() for rows in table["all"].values() for row in rows]
    assert max(row["total"] for row in rows if row["function"] == "waits") >= 20 << 20
