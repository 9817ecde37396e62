"""CeleryExecutor with Redis, Postgres and an S3 server: all recordings are there, none mixed up."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.stack import AIRFLOW_3, COMPONENTS, free_port, wait_for
from tests.airflow.support.postgres import PostgresAirflow, postgres, started

COUNT = int(os.environ.get("PROFILERKIT_TEST_CELERY_TASKS", "40"))
SLOTS = "16"
BUCKET = "profiles"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server"),
]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresAirflow]:
    """Give an Airflow with a Celery worker of 16 slots and a store on S3 through a connection."""
    folder = tmp_path_factory.mktemp("celery")
    redis, s3 = free_port(), free_port()
    moto = str(Path(sys.executable).with_name("moto_server"))
    with (
        postgres(folder / "postgres.log") as port,
        started("redis-server", "--port", str(redis), "--save", "", log=folder / "redis.log"),
        started(moto, "-p", str(s3), log=folder / "s3.log"),
    ):
        login = f"airflow@127.0.0.1:{port}/airflow"
        found = PostgresAirflow(
            folder,
            port,
            AIRFLOW__CORE__EXECUTOR="CeleryExecutor",
            AIRFLOW__CORE__PARALLELISM="64",
            AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG="500",
            AIRFLOW__CELERY__BROKER_URL=f"redis://127.0.0.1:{redis}/0",
            AIRFLOW__CELERY__RESULT_BACKEND=f"db+postgresql+psycopg2://{login}",
            AIRFLOW__CELERY__WORKER_CONCURRENCY=SLOTS,
            AIRFLOW__PROFILERKIT__STORE=f"s3://{BUCKET}/airflow",
            AIRFLOW__PROFILERKIT__STORE_CONN_ID="profiles",
            AIRFLOW__PROFILERKIT__RULES='[{"profilers": ["resources", "cpu", "memray"]}]',
            MANY_COUNT=str(COUNT),
            AWS_ACCESS_KEY_ID="wrong",
            AWS_SECRET_ACCESS_KEY="wrong",
        )
        found.folder_of_store = filesystem(s3)  # type: ignore[attr-defined]
        try:
            found.run("db", "migrate")
            extra = {"endpoint_url": f"http://127.0.0.1:{s3}", "region_name": "us-east-1"}
            connection = {"conn_type": "aws", "login": "key", "password": "secret-of-a-test", "extra": extra}
            found.run("connections", "add", "profiles", "--conn-json", json.dumps(connection))
            for component in COMPONENTS:
                found.start_one(component)
            found.start_one("celery", "worker")
            if AIRFLOW_3:
                wait_for(lambda: found.call("GET", "/api/v2/version"), 180, lambda: found.log("api-server"))
            found.trigger("many", "all")
            found.wait("many", "all", seconds=300 + 15 * COUNT)
            yield found
        finally:
            found.stop()


def filesystem(port: int) -> Any:
    """Return the S3 server's filesystem, once it answers and has our bucket."""
    import s3fs

    made = s3fs.S3FileSystem(
        key="key",
        secret="secret-of-a-test",
        endpoint_url=f"http://127.0.0.1:{port}",
        use_listings_cache=False,
    )

    def has_bucket() -> bool:
        with contextlib.suppress(Exception):
            made.mkdir(BUCKET)
        return bool(made.exists(BUCKET))

    wait_for(has_bucket, 60, "the S3 server")
    return made


def test_every_recording_is_there_and_none_is_mixed_up(airflow: PostgresAirflow) -> None:
    """One for each map index, whole, with the heap that this one has held."""
    states = {state for state, _ in airflow.tasks("many", "all").values()}
    assert {"success"} == states

    system = airflow.folder_of_store  # type: ignore[attr-defined]

    def stored() -> list[Any]:
        paths = system.find(f"{BUCKET}/airflow/recordings")
        return [json.loads(system.cat(each)) for each in paths if each.endswith("/recording.json")]

    def whole() -> bool:
        found = stored()
        return len(found) == COUNT and all(each["status"] == "complete" for each in found)

    def told() -> str:
        states = [each["status"] for each in stored()]
        left = [each.name for each in (airflow.folder / "spool").iterdir()]
        return f"{len(states)} of {COUNT}, complete {states.count('complete')}, left {len(left)}"

    wait_for(whole, 120 + 15 * COUNT, told)
    heaps = {
        int(each["subject"]["names"]["map_index"]): each["summary"]["peak_heap_bytes"] >> 20
        for each in stored()
    }
    assert set(range(COUNT)) == set(heaps)
    assert {index: heap for index, heap in heaps.items() if not 10 + index <= heap <= 12 + index} == {}
    left = [each.name for each in (airflow.folder / "spool").iterdir() if not each.name.startswith(".")]
    assert left == []


def test_no_secret_is_left_anywhere(airflow: PostgresAirflow) -> None:
    """Neither in logs, nor in the spool, nor in the arguments of a process."""
    texts = [path for path in airflow.folder.rglob("*") if path.is_file() and "airflow.cfg" not in path.name]
    assert [path for path in texts if b"secret-of-a-test" in path.read_bytes()] == []
