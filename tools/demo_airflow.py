"""Run a real Airflow with the demo DAGs, everything in them profiled, and show what was found.

Run by the Python of that Airflow: `make demo`, `make demo AIRFLOW=2`. On a terminal it stays until Ctrl-C.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from functools import cached_property
from pathlib import Path

from airflow_api import AirflowApi, quietly
from airflow_stack import Airflow
from demo_table import print_table

ROOT = Path(__file__).resolve().parent.parent
RULES = '[{"dag": "demo_*", "profilers": ["resources", "memray", "cpu"]}]'
LONGEST_SECONDS = 600.0
DAGS = {"demo_etl": "success", "demo_leak": "failed"}
"""Each DAG and how its run is meant to end."""
USER = "admin"


class Demo:
    """One Airflow, and its REST API as its administrator."""

    def __init__(self) -> None:
        home = ROOT / ".demo" / "airflow"
        shutil.rmtree(home, ignore_errors=True)
        dags = ROOT / "examples" / "airflow" / "dags"
        self.airflow = Airflow(Path(sys.executable), home, dags=dags, store=str(home / "store"))
        self.airflow.settings = {
            "profilerkit.rules": RULES,
            "core.dags_are_paused_at_creation": "False",
            "api.auth_backends": "airflow.api.auth.backend.basic_auth,airflow.api.auth.backend.session",
        }
        if self.airflow.major == 3:
            self.airflow.simple_users(admin="admin")

    @cached_property
    def api(self) -> AirflowApi:
        """Return the API; its user is there as soon as the web server is."""
        return AirflowApi(self.airflow.url, self.airflow.major, USER, self.password)

    @property
    def password(self) -> str:
        """Return the administrator's password."""
        if self.airflow.major == 3:
            return USER
        return (self.airflow.home / "standalone_admin_password.txt").read_text().strip()


def main() -> int:
    """Run the demo; the exit code tells whether both runs ended as they were meant to."""
    demo = Demo()
    airflow = demo.airflow
    say(
        f"Starting a real Airflow {airflow.major} (standalone, SQLite); it keeps everything in .demo/airflow."
    )
    try:
        airflow.start("standalone")
        airflow.wait_until_ready()
        airflow.wait_for(
            lambda: quietly(lambda: set(DAGS) <= demo.api.dags()), "Airflow to read the demo DAGs"
        )
        say("Running the demo DAGs; one of their tasks leaks memory and is killed with SIGKILL.")
        runs = {dag_id: demo.api.trigger(dag_id) for dag_id in DAGS}
        states = {
            dag_id: airflow.wait_for(
                lambda dag_id=dag_id, run_id=run_id: quietly(lambda: demo.api.ended(dag_id, run_id)),
                f"{dag_id} to end",
                seconds=LONGEST_SECONDS,
            )
            for dag_id, run_id in runs.items()
        }
        wait_until_shipped(airflow)
        say("This is what was found:")
        print_table(airflow)
        tell(demo)
        stay()
        return int(states != DAGS)
    except KeyboardInterrupt:
        return 0
    finally:
        say("Stopping Airflow.")
        airflow.stop()


def wait_until_shipped(airflow: Airflow) -> None:
    """Wait until nothing is left in the spool: the killed task's watcher has its own pace."""
    end = time.monotonic() + 60
    while time.monotonic() < end and any((airflow.home / "spool").glob("*/*/recording.json")):
        time.sleep(0.5)


def tell(demo: Demo) -> None:
    """Print where to look."""
    leak = "dag_id=demo_leak&task_id=load_orders"
    say(
        f"Airflow:   {demo.airflow.url}\n"
        f"User:      {USER}\n"
        f"Password:  {demo.password}\n"
        f"Profiles:  {demo.airflow.url}/profilerkit/  (in Airflow: Browse, and a tab on each task)\n"
        f"The leak:  {demo.airflow.url}/profilerkit/task?{leak}"
    )


def stay() -> None:
    """Wait for Ctrl-C where somebody is there to press it."""
    if sys.stdout.isatty() and sys.stdin.isatty() and not os.environ.get("CI"):
        say("Press Ctrl-C to end.")
        while True:
            time.sleep(3600)


def say(words: str) -> None:
    """Print a paragraph."""
    print(f"\n{words}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
