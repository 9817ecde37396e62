"""The example DAGs that ship inside Airflow 3 end the same with everything profiled as with nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.stack import AIRFLOW_3, Airflow
from tests.airflow.support.postgres import PostgresAirflow, postgres

CANNOT_RUN_OFFLINE = {
    "example_dag_decorator": "it asks a site for the caller's address",
    "example_retry_policy": "it asks a site, and again for minutes",
    "tutorial_objectstorage": "it reads the air quality from a site and writes to a bucket of S3",
    "example_analytics": "it reads from buckets of S3, GCS and Azure",
    "example_hitl_operator": "it waits for a person",
    "example_sensors": "one of its sensors waits for an hour",
    "child_dag": "example_external_task starts it itself",
}
"""Beside those for Kubernetes, which Airflow itself leaves out where that provider is not installed."""
CONF = {"example_params_ui_tutorial": {"required_field": "something here"}}
COMPONENTS = ("api-server", "scheduler", "triggerer")
EVERYTHING = '[[rules]]\nprofilers = ["resources", "cpu", "memray"]\n'
SEEDS = """
import os, random
# Examples choose at random; each task is a fork, and Python makes its generator anew there.
os.register_at_fork(after_in_child=lambda: random.seed(0))
random.seed(0)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AIRFLOW_3, reason="the examples of Airflow 3 are meant"),
]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Give an Airflow in which every example has run twice: with nothing and with all profilers."""
    now = datetime.now(timezone.utc)
    if any((now + timedelta(minutes=each)).hour != now.hour for each in range(45)) and now.hour in (14, 23):
        pytest.skip("examples that look at the time would end in other ways after the hour")
    folder = tmp_path_factory.mktemp("examples")
    for name, text in {"rules.toml": "", "seeds/sitecustomize.py": SEEDS, "dags/none.py": ""}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    settings = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
        "AIRFLOW__CORE__PARALLELISM": "6",
        # What is due or follows from an asset would run once or twice, depending on the moment.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__PROFILERKIT__RULES": f"@{folder / 'rules.toml'}",
        "AIRFLOW_CONN_FS_DEFAULT": '{"conn_type": "fs"}',
        # Offline: tasks that want a virtual environment with packages fail at once, both times.
        "PIP_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "PYTHONPATH": f"{Path(__file__).parents[2]}:{folder / 'seeds'}",
    }
    with postgres(folder / "postgres.log") as port:
        found = PostgresAirflow(folder, port, **settings)
        try:
            found.run("db", "migrate")
            found.run("dags", "reserialize")
            found.start(COMPONENTS)
            dags = examples(found)
            run_all(found, dags, "off", datetime.now(timezone.utc) - timedelta(minutes=2))
            (folder / "rules.toml").write_text(EVERYTHING)
            run_all(found, dags, "all", datetime.now(timezone.utc) - timedelta(minutes=1))
            yield found
        finally:
            found.stop()


def examples(airflow: Airflow) -> list[str]:
    """Return the ids of the examples that can run, in their order."""
    found = [dag for (dag,) in airflow.rows("select distinct dag_id from serialized_dag order by dag_id")]
    assert set(CANNOT_RUN_OFFLINE) <= set(found)
    return [each for each in found if each not in CANNOT_RUN_OFFLINE]


def run_all(airflow: Airflow, dags: list[str], run_id: str, moment: datetime) -> None:
    """Run every DAG once and wait for their ends."""
    for dag in dags:
        airflow.trigger(dag, run_id, CONF.get(dag), moment)
    for dag in dags:
        airflow.wait(dag, run_id, seconds=1200)


def ends(airflow: Airflow, run_id: str) -> dict[str, Any]:
    """Return the state of each run and of each of its task instances."""
    found = dict(airflow.rows("select dag_id, state from dag_run where run_id=?", run_id))
    query = "select dag_id, task_id, map_index, state from task_instance where run_id=?"
    tasks = {f"{dag}.{task}[{index}]": state for dag, task, index, state in airflow.rows(query, run_id)}
    return {**found, **tasks}


def test_end_states_are_the_same(airflow: Airflow) -> None:
    """Of every run and of every task instance."""
    off, profiled = ends(airflow, "off"), ends(airflow, "all")
    assert {name: (end, profiled.get(name)) for name, end in off.items() if profiled.get(name) != end} == {}
    assert set(off) == set(profiled)


def test_what_ran_was_recorded(airflow: Airflow) -> None:
    """Each task instance whose code has run to an end of its own, and none of the first run."""
    query = "select dag_id, task_id, map_index from task_instance where run_id='all' and hostname != ''"
    ended = {(dag, task, str(index)) for dag, task, index in airflow.rows(f"{query} and state != 'failed'")}
    ran = {(dag, task, str(index)) for dag, task, index in airflow.rows(query)}
    assert len(ran) > 200
    names = [each["names"] for each in airflow.recordings("all")]
    found = {(each["dag_id"], each["task_id"], each["map_index"]) for each in names}
    # Some fail before their code is reached: what they ask Airflow for is not there.
    assert (ended - found, found - ran) == (set(), set())
    assert airflow.recordings("off") == []
