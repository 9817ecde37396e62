"""Single tasks in real task processes: what is chosen, what they see of us, and what fails in us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from profilerkit.waiting import find_waiting
from tests.airflow.lab import TaskRuns
from tests.airflow.stack import AIRFLOW_3, free_port, wait_for
from tests.airflow.support.stores import PASSWORD, disk, on_s3, s3_that_refuses

ALL = ["resources", "cpu", "memray"]
only_airflow_3 = pytest.mark.skipif(not AIRFLOW_3, reason="`airflow tasks test` has no conf")


def profilers(recording: dict[str, object]) -> list[str]:
    """Return the names of the profilers that took part."""
    return [each["profiler"] for each in recording["captures"]]  # type: ignore[index, attr-defined]


def test_a_task_that_nobody_chose_has_no_profiler_in_it(tasks: TaskRuns) -> None:
    """No profiler, and nothing that records, is imported; nothing is written anywhere."""
    result = tasks.run(rules=[{"dag": "other", "profilers": ALL}])
    assert result.exit == 0
    assert [each for each in result.returned["heavy"] if each in ("memray", "pyinstrument")] == []
    recording = ("profilerkit_memray", "profilerkit_cpu", "profilerkit_resources", "profilerkit.session")
    assert [each for each in result.returned["ours"] if each.startswith(recording)] == []
    assert tasks.nothing_recorded()
    assert "profilerkit records" not in result.log


def test_a_rule_chooses_by_tag_owner_and_operator(tasks: TaskRuns) -> None:
    """The facts of a real task are what rules ask for."""
    rule = {"tag": "night*", "owner": "ada", "operator": "@task", "profilers": ["resources"]}
    assert tasks.run(rules=[{"owner": "bob", "profilers": ["cpu"]}, rule]).exit == 0
    (recording,) = tasks.recordings()
    assert profilers(recording) == ["resources"]
    assert recording["labels"]["chosen_by"] == "rule"
    assert recording["labels"]["tags"] == "nightly"


@only_airflow_3
def test_the_runs_conf_comes_before_the_rules(tasks: TaskRuns) -> None:
    """It chooses tasks by globs, and only profilers that may be asked for."""
    conf = {"profilerkit": {"profilers": ["memray", "cpu"], "tasks": ["lo*"], "options": {"memray": {}}}}
    result = tasks.run(rules=[{"profilers": ["resources"]}], conf=conf, on_demand="memray")
    (recording,) = tasks.recordings()
    assert (profilers(recording), recording["labels"]["chosen_by"]) == (["memray"], "conf")
    assert "cpu may not be asked for" in result.log


@only_airflow_3
@pytest.mark.parametrize(
    "conf", [{"profilerkit": 3}, {"profilerkit": {"tasks": "*"}}, {"profilerkit": {"profilers": [1]}}]
)
def test_a_conf_that_cannot_be_is_passed_over(tasks: TaskRuns, conf: object) -> None:
    """The task runs, its log says why."""
    result = tasks.run(conf=conf)
    assert result.exit == 0
    assert "of the run's conf is passed over" in result.log
    assert tasks.nothing_recorded()


def request(**changes: object) -> str:
    """Return the Variable with one request."""
    now = datetime.now(timezone.utc)
    one = {
        "id": "0123456789ab",
        "dag_id": "small",
        "task_id": "look",
        "profilers": ["resources"],
        "options": {},
        "runs": 1,
        "run_id": None,
        "map_index": None,
        "since": (now - timedelta(minutes=1)).isoformat(),
        "until": (now + timedelta(minutes=5)).isoformat(),
        "by": "ada",
        "format": 1,
    }
    return json.dumps([{**one, **changes}])


def test_a_request_is_found_counted_and_named(tasks: TaskRuns) -> None:
    """The recording says who asked; the run is counted in a Variable of the request's own."""
    result = tasks.run(variables={"profilerkit_requests": request()})
    (recording,) = tasks.recordings()
    found = {name: recording["labels"][name] for name in ("chosen_by", "request", "requested_by")}
    assert found == {"chosen_by": "request", "request": "0123456789ab", "requested_by": "ada"}
    assert len(json.loads(result.variables["profilerkit_request_0123456789ab"])["runs"]) == 1


def test_a_request_that_had_its_runs_or_its_time_is_over(tasks: TaskRuns) -> None:
    """Neither is a task recorded that nobody asked for."""
    used = json.dumps({"runs": ["some_other_run"]})
    past = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
    for variables in (
        {"profilerkit_requests": request(), "profilerkit_request_0123456789ab": used},
        {"profilerkit_requests": request(until=past)},
        {"profilerkit_requests": request(task_id="other")},
        {"profilerkit_requests": "no JSON"},
    ):
        assert tasks.run(variables=variables).exit == 0
    assert tasks.nothing_recorded()


@pytest.mark.parametrize(
    "rules", ["{", '[{"profilers": ["nonsense"]}]', '[{"profilerz": []}]', "@/nowhere.toml"]
)
def test_invalid_rules_break_nothing(tasks: TaskRuns, rules: str) -> None:
    """The DAG is parsed and the task runs; its log says what is wrong."""
    result = tasks.run(rules=rules)
    assert (result.exit, result.returned["kept"]) == (0, 5)
    assert "profilerkit" in result.log


def test_a_profiler_that_is_missing_leaves_the_others(tasks: TaskRuns) -> None:
    """One line says which; the recording has it as a warning."""
    result = tasks.run(rules=[{"profilers": ["nonsense", "resources"], "options": {"cpu": {"x": 1}}}])
    (recording,) = tasks.recordings()
    assert profilers(recording) == ["resources"]
    assert "No profiler named 'nonsense' is installed" in recording["warnings"][0]
    assert "nonsense does not take part" in result.log


def test_a_failing_task_fails_with_its_own_words(tasks: TaskRuns) -> None:
    """Its traceback has no frame of ours."""
    result = tasks.run("fails", rules=[{"profilers": ALL}])
    (recording,) = tasks.recordings()
    assert (recording["status"], recording["outcome"]) == ("complete", "failed")
    assert "a reason of its own" in result.log
    assert "profilerkit_airflow/hook.py" not in result.log


def test_a_killed_task_leaves_its_recording(tasks: TaskRuns) -> None:
    """With all three profilers, and the log has the address."""
    result = tasks.run("killed", rules=[{"profilers": ALL}])
    (recording,) = tasks.recordings()
    assert (recording["status"], recording["outcome"]) == ("interrupted", "killed")
    assert recording["summary"]["peak_heap_bytes"] > 5 << 20
    assert "/profilerkit/task?dag_id=small" in result.log


@pytest.fixture(params=["down", "wrong credentials", "full", "read-only"])
def refusing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Give the settings of a store that takes nothing, and a word of the reason."""
    if request.param == "down":
        yield on_s3(f"http://127.0.0.1:{free_port()}"), "connect"
    elif request.param == "wrong credentials":
        with s3_that_refuses() as settings:
            yield settings, "Access Key Id"
    else:
        with disk(tmp_path / "disk", full=request.param == "full") as settings:
            yield settings, {"full": "No space left", "read-only": "Read-only"}[request.param]


def test_a_store_that_refuses_keeps_the_task_and_the_spool(
    tasks: TaskRuns, refusing: tuple[dict[str, str], str]
) -> None:
    """The task is as it was, one line of its log tells of it, and of the reason once it is known."""
    settings, reason = refusing
    result = tasks.run(rules=[{"profilers": ["cpu"]}], upload_timeout="3", **settings)
    assert (result.exit, result.returned["kept"]) == (0, 5)
    (told,) = [each for each in result.log.splitlines() if "not uploaded in time" in each]
    assert reason.lower() in told.lower() or "the store has not answered yet" in told
    assert len(tasks.left()) == 1
    wait_for(lambda: find_waiting(tasks.spool), 120, "the store's refusal")
    # Where no task waits for its upload, the next one on the worker tells.
    result = tasks.run(rules=[{"profilers": ["cpu"]}], **settings)
    assert (result.exit, result.returned["kept"]) == (0, 5)
    (told,) = [each for each in result.log.splitlines() if "not uploaded yet" in each]
    assert reason.lower() in told.lower()
    assert len(tasks.left()) == 2
    assert PASSWORD not in "".join(
        path.read_text(errors="replace") for path in tasks.spool.rglob("*") if path.is_file()
    )


def test_a_watcher_that_cannot_start_leaves_the_task_as_it_was(tasks: TaskRuns) -> None:
    """As in a Python that is embedded, whose executable is none; what is recorded stays in the spool."""
    result = tasks.run(rules=[{"profilers": ALL}], SMALL_EXECUTABLE="/nowhere/python")
    assert (result.exit, result.returned["kept"]) == (0, 5)
    (told,) = [each for each in result.log.splitlines() if "the watcher could not be started" in each]
    assert "/nowhere/python" in told
    assert len(tasks.left()) == 1
    # The next task of this worker has it uploaded.
    assert tasks.run(rules=[{"profilers": ["resources"]}]).exit == 0
    first, _ = tasks.recordings(2)
    assert (first["outcome"], profilers(first)) == ("success", ALL)


def test_a_connection_that_is_missing_leaves_the_task_unprofiled(tasks: TaskRuns) -> None:
    """One line says so."""
    result = tasks.run(rules=[{"profilers": ALL}], store="s3://bucket", store_conn_id="no_such_connection")
    assert (result.exit, result.returned["kept"]) == (0, 5)
    assert "no_such_connection" in result.log
    assert not tasks.spool.exists() or not tasks.left()


def test_a_spool_that_cannot_be_made_leaves_the_task_unprofiled(tasks: TaskRuns) -> None:
    """As on a disk that is full or read-only."""
    (tasks.folder / "file").write_text("no folder")
    result = tasks.run(rules=[{"profilers": ALL}], spool=str(tasks.folder / "file" / "spool"))
    assert (result.exit, result.returned["kept"]) == (0, 5)
    assert "profilerkit: not recorded" in result.log


def test_an_upload_that_hangs_holds_the_task_no_longer_than_allowed(tasks: TaskRuns, tmp_path: Path) -> None:
    """A server that accepts and never answers costs a task `upload_timeout` at most."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = tasks.run(rules=[{"profilers": ["resources"]}], upload_timeout="2", **on_s3(address))
    assert (result.exit, result.returned["kept"]) == (0, 5)
    (told,) = [each for each in result.log.splitlines() if "not uploaded in time" in each]
    assert "the store has not answered yet" in told
    assert len(tasks.left()) == 1


def test_a_context_of_somebody_else_surrounds_the_task(tasks: TaskRuns, tmp_path: Path) -> None:
    """An entry point of the group gives a context manager; what it raises never reaches the task."""
    package = tmp_path / "contexts"
    info = package / "contexts_of_a_test-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: contexts-of-a-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[profilerkit.airflow.contexts]\nmark = contexts_of_a_test:mark\nbroken = contexts_of_a_test:broken\n"
    )
    (package / "contexts_of_a_test.py").write_text(
        "import contextlib, sys\n"
        "@contextlib.contextmanager\n"
        "def mark(run):\n"
        "    sys.context_of_a_test = f'{run.dag_id}.{run.task_id} {run.try_number}'\n"
        "    yield\n"
        "def broken(run):\n"
        "    raise RuntimeError('this context is broken')\n"
    )
    from tests.airflow.lab import task_lab

    with task_lab(tmp_path / "lab", str(package)) as lab:
        result = lab.new().run()
    assert result.returned["mark"].startswith("small.look")
    assert "the context broken could not be entered: RuntimeError: this context is broken" in result.log
