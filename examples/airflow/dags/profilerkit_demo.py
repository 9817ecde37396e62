"""Show what profilerkit finds: a leak that is killed, a slow loop, mapped tasks, a shell, a long wait.

Nothing here imports profilerkit: the rules in Airflow's configuration choose what is profiled.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG
    from airflow.decorators import task

try:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
except ImportError:
    from airflow.operators.bash import BashOperator
    from airflow.sensors.date_time import DateTimeSensorAsync

MEBIBYTE = 1 << 20


def remember(rows: list[bytes], size: int) -> None:
    """Keep what nobody needs any more: the leak."""
    rows.append(os.urandom(16) * (size // 16))


def normalise(name: str) -> str:
    """Hash one name far too often: the slow part."""
    for _ in range(400):
        name = hashlib.sha256(name.encode()).hexdigest()
    return name


with DAG("demo_leak", start_date=datetime(2026, 1, 1), schedule=None, catchup=False, tags=["profilerkit"]):

    @task
    def load_orders() -> None:
        """Leak 160 MiB, then end as the kernel ends a task that is out of memory."""
        rows: list[bytes] = []
        for _ in range(40):
            remember(rows, 4 * MEBIBYTE)
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    load_orders()


with DAG("demo_etl", start_date=datetime(2026, 1, 1), schedule=None, catchup=False, tags=["profilerkit"]):

    @task
    def extract() -> list[int]:
        """Return the sizes of three parts, in MiB."""
        return [10, 30, 60]

    @task
    def transform(mebibytes: int) -> int:
        """Hold as much memory as the part is large."""
        held = [bytearray(MEBIBYTE) for _ in range(mebibytes)]
        time.sleep(1)
        return len(held)

    @task
    def match_names() -> int:
        """Compute for some seconds."""
        end = time.monotonic() + 4
        count = 0
        while time.monotonic() < end:
            normalise(f"customer {count}")
            count += 1
        return count

    sort = BashOperator(
        task_id="sort_in_a_shell",
        bash_command="head -c 20000000 /dev/urandom | base64 | sort | tail -n 1 | wc -c",
    )
    wait = DateTimeSensorAsync(
        task_id="wait_for_the_file",
        target_time="{{ (dag_run.start_date + macros.timedelta(seconds=10)).isoformat() }}",
    )
    transform.expand(mebibytes=extract()) >> [match_names(), sort, wait]
