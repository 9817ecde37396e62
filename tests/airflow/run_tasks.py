"""Run single tasks for tests, each in a forked process as a worker does.

It is told and answers in lines of JSON. On Airflow 3 through its real supervisor, against answers of
an API server that are always kind; on Airflow 2 as `airflow tasks test` does. What Airflow prints goes
to the standard error.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
import uuid
from typing import Any

from profilerkit_airflow import compat


def main() -> None:
    """Answer each line until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    run = _run_3 if compat.version()[0] >= 3 else _run_2
    print("ready", file=answers)
    for line in sys.stdin:
        wanted = json.loads(line)
        os.environ.update(wanted["environment"])
        began = time.time()
        try:
            result = run(wanted)
        except Exception as error:
            result = {"exit": repr(error)}
        for name in wanted["environment"]:
            os.environ.pop(name, None)
        print(json.dumps({**result, "seconds": time.time() - began}, default=str), file=answers)


def _run_3(wanted: dict[str, Any]) -> dict[str, Any]:
    import httpx
    from airflow.executors.workloads import BundleInfo
    from airflow.sdk.api.client import Client
    from airflow.sdk.api.datamodels._generated import TaskInstance

    try:
        from airflow.sdk.execution_time.supervisor import supervise_task
    except ImportError:  # Airflow 3.1
        from airflow.sdk.execution_time.supervisor import supervise as supervise_task

    xcoms: dict[str, Any] = {}
    calls: dict[str, float] = {}
    variables: dict[str, str] = dict(wanted.get("variables", {}))

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        calls[path.rsplit("/", 1)[-1]] = time.time()
        last = path.rsplit("/", 1)[-1]
        if path.endswith("/run"):
            return httpx.Response(200, json=_context_3(wanted))
        if "/variables/" in path and request.method == "PUT":
            body = json.loads(request.content)
            variables[last] = body.get("val", body.get("value"))
        elif "/variables/" in path:
            if last not in variables:
                return httpx.Response(404, json={"detail": {"reason": "not_found", "message": "none"}})
            return httpx.Response(200, json={"key": last, "value": variables[last]})
        elif "/connections/" in path:
            return httpx.Response(404, json={"detail": {"reason": "not_found", "message": "none"}})
        if request.method == "POST" and "/xcoms/" in path:
            xcoms[last] = json.loads(request.content)
        return httpx.Response(200, json={})

    instance = TaskInstance(
        id=uuid.uuid4(),
        task_id=wanted["task"],
        dag_id=wanted["dag"],
        run_id=wanted["run"],
        try_number=wanted["try"],
        map_index=-1,
        dag_version_id=uuid.uuid4(),
        queue="default",
    )
    client = Client(base_url="http://x.invalid", token="", transport=httpx.MockTransport(answer))
    status = supervise_task(
        ti=instance,
        bundle_info=BundleInfo(name="dags-folder", version=None),
        dag_rel_path=wanted["file"],
        token="",
        dry_run=True,
        client=client,
    )
    number = int(getattr(status, "exit_code", status))
    return {"exit": number, "xcoms": xcoms, "variables": variables, "calls": calls}


def _context_3(wanted: dict[str, Any]) -> dict[str, Any]:
    from airflow.sdk.api.datamodels._generated import DagRun, TIRunContext

    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    run = {
        "dag_id": wanted["dag"],
        "run_id": wanted["run"],
        "logical_date": now,
        "data_interval_start": None,
        "data_interval_end": None,
        "run_after": now,
        "start_date": now,
        "end_date": None,
        "clear_number": 0,
        "run_type": "manual",
        "state": "running",
        "conf": wanted.get("conf") or {},
        "consumed_asset_events": [],
        "partition_key": None,
        "partition_date": None,
    }
    lists: dict[str, list[Any]] = {"variables": [], "connections": [], "xcom_keys_to_clear": []}
    context = {"dag_run": known(DagRun, run), "max_tries": 0, "should_retry": False, **lists}
    return known(TIRunContext, {**context, "task_reschedule_count": 0})


def known(model: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return what this version of Airflow knows; it refuses the rest."""
    return {name: value for name, value in values.items() if name in model.model_fields}


def _run_2(wanted: dict[str, Any]) -> dict[str, Any]:
    from airflow.models import Variable, XCom
    from airflow.utils.session import create_session

    for key, value in wanted.get("variables", {}).items():
        Variable.set(key, value)
    command = ["tasks", "test", wanted["dag"], wanted["task"], wanted["run"]]
    # Airflow 2 chooses where metrics go as soon as it is imported.
    sends = any("METRICS" in name for name in wanted["environment"])
    status = _in_new_process(command) if sends else _forked(command)
    with create_session() as session:
        query = session.query(XCom).filter(XCom.dag_id == wanted["dag"], XCom.task_id == wanted["task"])
        xcoms = {each.key: each.value for each in query}
        variables = {each.key: each.val for each in session.query(Variable)}
        query.delete()
        session.query(Variable).delete()
    return {"exit": status, "xcoms": xcoms, "variables": variables}


def _in_new_process(command: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "airflow", *command]).returncode


def _forked(command: list[str]) -> int:
    from airflow.cli import cli_parser

    child = os.fork()
    if not child:
        status = 1
        try:
            arguments = cli_parser.get_parser().parse_args(command)
            arguments.func(arguments)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
