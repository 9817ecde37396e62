"""Links are generated from the registered profilers, lead to one page, and touch no DAG that needs none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from profilerkit_airflow import links
from tests.airflow.lab import TaskLab
from tests.airflow.stack import AIRFLOW_3

NAMES = {"dag_id": "a b", "run_id": "manual__2026+01", "task_id": "g.t", "map_index": "3", "try_number": "2"}
SHOW = """
import json
from airflow.models.dagbag import DagBag
from airflow.serialization.serialized_objects import SerializedDAG
dag = DagBag(include_examples=False).dags["matrix"]
again = SerializedDAG.from_dict(SerializedDAG.to_dict(dag))
print("links", json.dumps({each.task_id: sorted(each.operator_extra_link_dict) for each in again.tasks}))
"""


def test_the_address_names_the_task_and_no_try() -> None:
    """Whatever the names are: the page shows all tries and segments."""
    url = links.page_url(NAMES, "memray")
    assert url.endswith(
        "/profilerkit/task?dag_id=a%20b&run_id=manual__2026%2B01&task_id=g.t&map_index=3&profiler=memray"
    )


def test_each_registered_profiler_has_a_link() -> None:
    """By the name that it is registered with; Airflow 2 finds their classes by import."""
    assert {"cpu", "memray", "resources"} <= set(links.profilers())
    expected = {f"{each} profile" for each in links.profilers()}
    if AIRFLOW_3:
        assert {each.name for each in links.global_links()} == expected
        assert links.class_paths() == []
    else:
        assert links.global_links() == []
        classes = [getattr(links, path.rpartition(".")[2]) for path in links.class_paths()]
        assert {each().name for each in classes} == expected


@pytest.mark.skipif(AIRFLOW_3, reason="there the links are global and live")
def test_only_tasks_that_can_be_profiled_have_links(task_lab: TaskLab) -> None:
    """After the DAG was serialized and read back, mapped tasks too; a share or a retry counts as can be."""
    rules = [
        {"task": "mapped_*", "profilers": ["memray"], "share": 0.1},
        {"task": "mapped_*", "profilers": ["cpu"], "only_on_retry": True},
    ]
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={**task_lab.airflow.environment, "AIRFLOW__PROFILERKIT__RULES": json.dumps(rules)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.rsplit("links ", 1)[1])
    both = ["cpu profile", "memray profile"]
    decorated = {"custom_decorator": ["memray profile"], "under_task": ["resources profile"]}
    assert {"mapped_classic": both, "mapped_deco": both, **decorated} == {
        task: names for task, names in found.items() if names
    }
