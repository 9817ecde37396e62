"""Run a real Airflow for tests: its processes, its database, a store and a spool, all in one folder."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from profilerkit_airflow import compat

DAGS = Path(__file__).parent / "dags"
AIRFLOW_3 = compat.version()[0] >= 3
COMPONENTS = (
    ("api-server", "scheduler", "dag-processor", "triggerer") if AIRFLOW_3 else ("scheduler", "triggerer")
)
ENDED = ("success", "failed")


class Airflow:
    """An Airflow of one test session."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.scratch = folder / "scratch"
        self.store = folder / "store"
        for each in (self.home, self.scratch):
            each.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PROFILERKIT_")},
            **base_environment(self.home, self.port),
            "AIRFLOW__PROFILERKIT__STORE": str(self.store),
            "AIRFLOW__PROFILERKIT__SPOOL": str(folder / "spool"),
            "MATRIX_SCRATCH": str(self.scratch),
            **settings,
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token: str | None = None

    def start(self, components: tuple[str, ...] = COMPONENTS) -> None:
        """Make the database and start the processes."""
        self.run("db", "migrate")
        for component in components:
            self.start_one(component)
        if AIRFLOW_3:
            wait_for(lambda: self.call("GET", "/api/v2/version") is not None, 400, "the API server")

    def start_one(self, *command: str) -> subprocess.Popen[bytes]:
        """Start one process of Airflow, its output in a file of its name."""
        with open(self.folder / f"{command[0]}.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """End the processes that were started, and what they started."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, sign)
            end = time.monotonic() + 8
            while time.monotonic() < end and any(each.poll() is None for each in self._processes):
                time.sleep(0.1)
        self._processes.clear()

    def run(self, *command: str, check: bool = True, **environment: str) -> str:
        """Run one command of Airflow and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *command],
            env={**self.environment, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    # -- DAG runs -----------------------------------------------------------------------------

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        conf: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
    ) -> None:
        """Have the scheduler run a DAG once."""
        if AIRFLOW_3:
            wait_for(lambda: self.call("GET", f"/api/v2/dags/{dag_id}") is not None, 120, f"DAG {dag_id}")
            moment = logical_date and logical_date.isoformat()
            body = {"dag_run_id": run_id, "conf": dict(conf or {}), "logical_date": moment}
            started = "select 1 from dag_run where dag_id=? and run_id=?"
            # Where SQLite is locked for long the server answers with an error.
            wait_for(
                lambda: (
                    self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
                    or self.rows(started, dag_id, run_id)
                ),
                120,
                lambda: self.log("api-server"),
            )
        else:
            wait_for(lambda: self.rows("select 1 from serialized_dag where dag_id=?", dag_id), 120, dag_id)
            self.run("dags", "trigger", dag_id, "-r", run_id, "-c", json.dumps(conf or {}))

    def wait(self, dag_id: str, *run_ids: str, seconds: float = 300.0) -> dict[str, str]:
        """Wait until runs of a DAG have ended, and return their states."""

        def states() -> dict[str, str]:
            rows = self.rows("select run_id, state from dag_run where dag_id=?", dag_id)
            return {run: state for run, state in rows if run in run_ids}

        wait_for(
            lambda: len(states()) == len(run_ids) and all(each in ENDED for each in states().values()),
            seconds,
            lambda: f"{dag_id}: {states()} {self.unfinished(dag_id)}\n{self.log('scheduler')}",
        )
        return states()

    def unfinished(self, dag_id: str) -> list[Any]:
        """Return the tasks of a DAG that have not ended."""
        query = "select run_id, task_id, state from task_instance where dag_id=?"
        return [
            row for row in self.rows(query, dag_id) if row[2] not in (*ENDED, "skipped", "upstream_failed")
        ]

    def tasks(self, dag_id: str, run_id: str) -> dict[tuple[str, int], tuple[str, int]]:
        """Return state and try number of each task instance, by task and map index."""
        query = "select task_id, map_index, state, try_number from task_instance where dag_id=? and run_id=?"
        return {
            (task, index): (state, tries) for task, index, state, tries in self.rows(query, dag_id, run_id)
        }

    def xcoms(self, dag_id: str, run_id: str) -> dict[tuple[str, int, str], Any]:
        """Return what was pushed, by task, map index and key."""
        query = "select task_id, map_index, key, value from xcom where dag_id=? and run_id=?"
        return {(task, index, key): value for task, index, key, value in self.rows(query, dag_id, run_id)}

    def rendered(self, dag_id: str, run_id: str) -> dict[tuple[str, int], Any]:
        """Return the rendered templates, by task and map index."""
        query = (
            "select task_id, map_index, rendered_fields from rendered_task_instance_fields"
            " where dag_id=? and run_id=?"
        )
        return {(task, index): fields for task, index, fields in self.rows(query, dag_id, run_id)}

    def rows(self, query: str, *values: str) -> list[Any]:
        """Ask Airflow's own database."""
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database:
            return database.execute(query, values).fetchall()

    def change(self, query: str, *values: str) -> None:
        """Change Airflow's own database."""
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database:
            database.execute(query, values)
            database.commit()

    def mark_failed(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Mark a running task as failed, as the button on the page does."""
        if AIRFLOW_3:
            path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
            assert self.call("PATCH", path, {"new_state": "failed"}) is not None, self.log("api-server")
        else:
            where = "where dag_id=? and run_id=? and task_id=?"
            self.change(f"update task_instance set state='failed' {where}", dag_id, run_id, task_id)

    # -- what is to be read -------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API server; None when it does not answer, or refuses."""
        address = f"http://127.0.0.1:{self.port}"
        try:
            if self._token is None:
                with urllib.request.urlopen(f"{address}/auth/token", timeout=20) as answer:
                    self._token = json.load(answer)["access_token"]
            request = urllib.request.Request(
                address + path,
                method=method,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def log(self, component: str, characters: int = 3000) -> str:
        """Return the end of a component's log."""
        path = self.folder / f"{component}.log"
        return path.read_text(errors="replace")[-characters:] if path.exists() else ""

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Return the log of all tries of a task."""
        index = f"/map_index={map_index}" if map_index >= 0 else ""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}{index}"
        return "\n".join(path.read_text(errors="replace") for path in sorted(folder.glob("attempt=*.log")))

    def recordings(self, run_id: str | None = None) -> list[Any]:
        """Return what is in the store, once nothing is in the spool any more."""
        spool = self.folder / "spool"

        def shipped() -> bool:
            return not spool.exists() or not any(not each.name.startswith(".") for each in spool.iterdir())

        wait_for(shipped, 60, lambda: f"left in the spool: {sorted(each.name for each in spool.iterdir())}")
        return [each for each in stored(self.store) if run_id in (None, each["names"]["run_id"])]


def stored(store: Path) -> list[dict[str, Any]]:
    """Return the recordings of a store as JSON, with their names on top."""
    found = []
    for path in sorted(store.glob("recordings/task/**/recording.json")):
        recording = json.loads(path.read_text())
        found.append({**recording, "names": recording["subject"]["names"]})
    return found


def base_environment(home: Path, port: int) -> dict[str, str]:
    """Return the settings of an Airflow that is quick and has nothing of its own."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "16",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-these-tests-0123456789abcdef",
        "AIRFLOW__WEBSERVER__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "30",
        "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "3",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        # uv would fetch pip for each virtual environment.
        "AIRFLOW__STANDARD__VENV_INSTALL_METHOD": "pip",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__CORE__COMPRESS_SERIALIZED_DAGS": "False",
        # Airflow 2 refuses SQLite with several slots for production; for a few tasks it is enough.
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONWARNINGS": "ignore",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float, what: str | Callable[[], str]) -> None:
    """Wait until something holds; fail with `what` when it does not in time."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(sqlite3.OperationalError):
            if condition():
                return
        if time.monotonic() > end:
            break
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}")


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Airflow]:
    """Give an Airflow that runs, and end it."""
    airflow = Airflow(folder, **settings)
    try:
        airflow.start()
        yield airflow
    finally:
        airflow.stop()
