"""Record one of every kind of subject into a store, for the permission tests: prints names to ids.

Run by the Python of an Airflow: `python recordings.py STORE SPOOL DAG_FILE OPEN_DAG CLOSED_DAG`.
"""

from __future__ import annotations

import json
import sys
import time

from profilerkit.select import choose, make_plan
from profilerkit.session import Session
from profilerkit.settings import Settings

RUN = "manual__2026-11-01T00:00:00+00:00"


def burn(seconds: float) -> int:
    """Use CPU, so that there is a flame graph."""
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        count += len([bytearray(1000) for _ in range(100)])
    return count


def task(dag_id: str, **names: str) -> dict[str, str]:
    """Return the names of a task's recording."""
    usual = {"run_id": RUN, "task_id": "load", "map_index": "-1", "try_number": "1"}
    return {"dag_id": dag_id, **usual, **names}


def record(settings: Settings, kind: str, names: dict[str, str], *, parent: str | None = None) -> str:
    """Make one real recording and return its id."""
    choices = choose(("cpu", "resources"), {}, required=True)
    plan = make_plan(kind, names, choices, settings, own_folders=["/"])
    plan["parent_id"] = parent
    with Session(plan):
        burn(0.4)
    return str(plan["id"])


def main(store: str, spool: str, dag_file: str, open_dag: str, closed_dag: str) -> None:
    """Record and print what was recorded."""
    settings = Settings(store=store, spool=spool, upload_timeout=60)
    made = {}
    for label, dag_id in (("open", open_dag), ("closed", closed_dag), ("gone", "dag_that_is_gone")):
        made[f"task_{label}"] = record(settings, "task", task(dag_id))
        made[f"retry_{label}"] = record(settings, "task", task(dag_id, try_number="2"))
        made[f"child_{label}"] = record(
            settings, "script", {"name": "child.py"}, parent=made[f"task_{label}"]
        )
        made[f"trigger_{label}"] = record(settings, "trigger", {"dag_id": dag_id, "trigger": "wait"})
    made["parse_file"] = record(settings, "parse", {"file": dag_file})
    made["parse_unknown"] = record(settings, "parse", {"file": "/nowhere.py"})
    made["component"] = record(settings, "component", {"name": "scheduler", "host": "h"})
    made["script"] = record(settings, "script", {"name": "script.py"})
    made["script_named_like_dag"] = record(settings, "script", {"name": open_dag})
    made["unknown_kind"] = record(settings, "martian", {"dag_id": open_dag})
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
