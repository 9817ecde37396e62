"""`airflow dags test`, which is `dag.test()`, runs a profiled DAG in one process as it runs any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.airflow.stack import Airflow, stored, wait_for

ALL = '[{"profilers": ["resources", "cpu", "memray"]}]'


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Give an Airflow without servers, that profiles every task."""
    settings = {"AIRFLOW__PROFILERKIT__RULES": ALL, "MANY_COUNT": "3"}
    found = Airflow(tmp_path_factory.mktemp("airflow"), **settings)
    found.run("db", "migrate")
    found.run("dags", "reserialize")
    yield found


def test_tasks_of_one_process_are_recorded_one_by_one(airflow: Airflow) -> None:
    """Each mapped task has a recording of its own, with its own memory, and ends as it would have."""
    airflow.run("dags", "test", "many", "2024-01-02")
    states = airflow.rows("select map_index, state from task_instance where dag_id='many' order by 1")
    assert states == [(0, "success"), (1, "success"), (2, "success")]
    wait_for(lambda: len(whole(airflow)) == 3, 60, lambda: str(stored(airflow.store)))
    heaps = {
        int(each["names"]["map_index"]): each["summary"]["peak_heap_bytes"] >> 20 for each in whole(airflow)
    }
    assert [min(heaps[index], 10 + index) for index in range(3)] == [10, 11, 12]
    assert all(heaps[index] < 12 + index for index in range(3)), heaps


def whole(airflow: Airflow) -> list[dict[str, object]]:
    """Return the recordings that are complete."""
    return [each for each in stored(airflow.store) if each["status"] == "complete"]
