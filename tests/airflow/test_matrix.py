"""Every kind of task does the same with all three profilers as without, and leaves its recordings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.airflow.stack import AIRFLOW_3, Airflow, running, wait_for

ALL = ["cpu", "memray", "resources"]
KILLED = {"sigkilled": "killed", "exited": "failed"}
OUTCOMES = {
    "failing": {"failed"},
    "system_exit": {"failed"} if AIRFLOW_3 else {"success"},
    "skipped": {"skipped"},
    "timed_out": {"timeout"},
    "rescheduled": {"rescheduled", "success"},
    "deferred": {"deferred", "success"},
    "ended_by_trigger": {"deferred"},
    "retried": {"failed", "success"},
    "sigkilled": {"killed"},
    "exited": {"failed"},
}
"""Of all recordings of a task; `success` where nothing is said."""
TWICE = {"rescheduled", "deferred", "retried"}
NEVER_RUN = {"empty", "chosen", "not_chosen", "cut_off"}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Give an Airflow in which the matrix has run twice: without profilers and with all three."""
    with running(tmp_path_factory.mktemp("airflow")) as found:
        found.trigger("killed_from_outside", "all", {"profilerkit": {"profilers": ALL}})
        found.trigger("matrix", "off")
        found.trigger("matrix", "all", {"profilerkit": {"profilers": ALL}})
        started = found.scratch / "long-all"
        wait_for(started.exists, 400, lambda: found.log("scheduler"))
        found.mark_failed("killed_from_outside", "all", "long")
        found.wait("matrix", "off", "all", seconds=900)
        found.wait("killed_from_outside", "all", seconds=300)
        yield found


@pytest.fixture(scope="module")
def recordings(airflow: Airflow) -> dict[str, list[dict[str, Any]]]:
    """Give the recordings of the second run, by task."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in airflow.recordings("all"):
        found.setdefault(each["names"]["task_id"], []).append(each)
    return found


def same(value: Any) -> Any:
    """Return a value without what differs between two runs anyway."""
    return repr(value).replace("all", "off").replace("ALL", "OFF")


def test_states_and_tries_are_the_same(airflow: Airflow) -> None:
    """Each task instance ends in the same state, after as many tries."""
    assert airflow.tasks("matrix", "off") == airflow.tasks("matrix", "all")


def test_xcoms_are_the_same(airflow: Airflow) -> None:
    """What tasks return and push is the same, and nothing of ours is among it."""
    off, profiled = airflow.xcoms("matrix", "off"), airflow.xcoms("matrix", "all")
    assert {key: same(value) for key, value in off.items()} == {
        key: same(value) for key, value in profiled.items()
    }
    assert len(off) > 10


def test_rendered_templates_are_the_same(airflow: Airflow) -> None:
    """Templates are rendered for the task that runs, not for a copy of it."""
    off, profiled = airflow.rendered("matrix", "off"), airflow.rendered("matrix", "all")
    timed = {"deferred", "ended_by_trigger"}  # they hold the time of the run
    assert {key: same(each) for key, each in off.items() if key[0] not in timed} == {
        key: same(each) for key, each in profiled.items() if key[0] not in timed
    }
    assert "matrix classic" in same(profiled[("classic", -1)])


def test_only_decorated_tasks_are_recorded_without_being_asked(airflow: Airflow) -> None:
    """Of the first run there are the recordings that decorators ask for, with their profilers."""
    found = {
        each["names"]["task_id"]: [capture["profiler"] for capture in each["captures"]]
        for each in airflow.recordings("off")
    }
    assert found == {"custom_decorator": ["memray"], "under_task": ["resources"]}


def test_every_task_that_ran_has_its_recordings(airflow: Airflow, recordings: dict[str, Any]) -> None:
    """Each segment of each try of each task instance has one, with all three profilers."""
    instances = [task for task, _ in airflow.tasks("matrix", "all") if task not in NEVER_RUN]
    expected = {task: instances.count(task) * (2 if task in TWICE else 1) for task in instances}
    assert {**expected, "long": 1} == {task: len(found) for task, found in recordings.items()}
    captures = {
        task: sorted({capture["profiler"] for each in found for capture in each["captures"]})
        for task, found in recordings.items()
    }
    assert dict.fromkeys(captures, ALL) == captures


def test_outcomes_are_what_became_of_the_code(recordings: dict[str, Any]) -> None:
    """Deferred, rescheduled, skipped, timed out, killed and failed are told apart."""
    found = {task: {each["outcome"] for each in all_of} for task, all_of in recordings.items()}
    expected = {task: OUTCOMES.get(task, {"success"}) for task in found}
    assert {**expected, "long": {"killed"}} == found


def test_killed_tasks_are_interrupted_and_the_rest_whole(recordings: dict[str, Any]) -> None:
    """SIGKILL and os._exit leave what was recorded until then; all else is complete."""
    found = {
        task: {each["status"] for each in all_of}
        for task, all_of in recordings.items()
        if task not in ("uses_memray", "long")
    }
    assert {task: {"interrupted" if task in KILLED else "complete"} for task in found} == found


def test_a_task_that_uses_memray_keeps_it(recordings: dict[str, Any]) -> None:
    """Its own Tracker works; ours makes way and says so, the other profilers go on."""
    (recording,) = recordings["uses_memray"]
    captures = {each["profiler"]: each for each in recording["captures"]}
    assert captures["cpu"]["status"] == "complete"
    assert captures["memray"]["status"] == "partial"
    assert "uses memray itself" in captures["memray"]["error"]


def test_killed_captures_can_be_read(airflow: Airflow, recordings: dict[str, Any]) -> None:
    """After SIGKILL there is a peak of the heap and of the process, as large as what the task held."""
    (recording,) = recordings["sigkilled"]
    assert recording["summary"]["peak_heap_bytes"] > 30 << 20
    assert recording["summary"]["peak_rss_bytes"] > 60 << 20


def test_the_log_tells_where_to_look_and_what_was_used(airflow: Airflow) -> None:
    """The first line has the page's address, the last one peak and CPU time; a killed task has the first."""
    for task in ("deco", "bash", "sigkilled", "timed_out", "deferred"):
        log = airflow.task_log("matrix", "all", task)
        address = f"/profilerkit/task?dag_id=matrix&run_id=all&task_id={task}&map_index=-1"
        assert f"http://127.0.0.1:{airflow.port}{address}" in log, task
        assert "profilerkit records resources, cpu, memray" in log or "profilerkit records" in log
        assert ("peak RSS" in log) == (task != "sigkilled"), task
    assert "map_index=2" in airflow.task_log("matrix", "all", "mapped_deco", 2)
    assert "profilerkit" not in airflow.task_log("matrix", "off", "deco")


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 makes links without asking anybody")
def test_live_links_are_there_for_what_was_recorded(airflow: Airflow, recordings: dict[str, Any]) -> None:
    """For mapped and killed tasks too; all are null for a task that was not recorded."""

    def links(run: str, task: str, query: str = "") -> dict[str, str | None]:
        path = f"/api/v2/dags/matrix/dagRuns/{run}/taskInstances/{task}/links{query}"
        found: dict[str, str | None] = airflow.call("GET", path)["extra_links"]
        return {name: url for name, url in found.items() if name.endswith(" profile")}

    def urls(task: str, index: int) -> dict[str, str]:
        page = f"http://127.0.0.1:{airflow.port}/profilerkit/task?dag_id=matrix&run_id=all&task_id={task}"
        return {f"{each} profile": f"{page}&map_index={index}&profiler={each}" for each in ALL}

    for task in ("deco", "sigkilled", "retried", "deferred"):
        assert urls(task, -1) == links("all", task)
    assert urls("mapped_deco", 2) == links("all", "mapped_deco", "?map_index=2")
    assert [url for url in links("off", "deco").values() if url] == []


def test_labels_tell_the_task_and_who_chose(recordings: dict[str, Any]) -> None:
    """Recordings can be found by operator, pool and what chose them."""
    (recording,) = recordings["bash"]
    assert recording["labels"]["operator"] == "BashOperator"
    assert recording["labels"]["pool"] == "default_pool"
    assert recording["labels"]["chosen_by"] == "conf"
