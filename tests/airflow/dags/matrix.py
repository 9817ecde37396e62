"""One task of every kind: what the tests run twice, with and without profilers."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, setup, task, task_group, teardown
except ImportError:
    from airflow.decorators import setup, task, task_group, teardown
    from airflow.models import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.python import (
        ExternalPythonOperator,
        PythonOperator,
        PythonVirtualenvOperator,
    )
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
    from airflow.providers.standard.sensors.python import PythonSensor
except ImportError:
    from airflow.operators.bash import BashOperator
    from airflow.operators.empty import EmptyOperator
    from airflow.operators.python import ExternalPythonOperator, PythonOperator, PythonVirtualenvOperator
    from airflow.sensors.date_time import DateTimeSensorAsync
    from airflow.sensors.python import PythonSensor

from airflow.version import version

from profilerkit_airflow import profiled

VERSION = tuple(map(int, version.split(".")[:2]))


def work(label: str, mib: int = 8) -> str:
    """Use some memory and some CPU, so that every profiler has something to find."""
    keep = [bytearray(1 << 20) for _ in range(mib)]
    total = sum(number * number for number in range(200_000))
    return f"{label} {len(keep)} {total}"


def counted(name: str) -> int:
    """Return how often this was called for a name in this run: processes come and go."""
    run = os.environ["AIRFLOW_CTX_DAG_RUN_ID"].replace(":", "_").replace("+", "_")
    path = os.path.join(os.environ["MATRIX_SCRATCH"], f"{name}-{run}")
    with open(path, "a") as file:
        file.write("x")
    return os.path.getsize(path)


def poke(name: str) -> bool:
    """Succeed when asked for the second time."""
    work(name, 2)
    return counted(name) >= 2


def answer() -> int:
    """Return what takes a while to find; runs in another interpreter, so it needs nothing of this file."""
    return sum(number for number in range(43) if number % 2) - 399


class Shouting(PythonOperator):
    """An operator of the user's own, with a template field more."""

    template_fields = (*PythonOperator.template_fields, "greeting")

    def __init__(self, *, greeting: str, **keywords: object) -> None:
        super().__init__(python_callable=work, op_args=["shouting"], **keywords)
        self.greeting = greeting

    def execute(self, context: object) -> str:
        return f"{super().execute(context)} {self.greeting.upper()}"


default_args = {"retries": 0, "retry_delay": timedelta(seconds=1)}
with DAG("matrix", schedule=None, start_date=datetime(2024, 1, 1), catchup=False, default_args=default_args):
    PythonOperator(task_id="classic", python_callable=work, op_args=["{{ dag.dag_id }} {{ ti.task_id }}"])
    Shouting(task_id="custom_operator", greeting="{{ run_id[:4] }} {{ ti.task_id }}")
    EmptyOperator(task_id="empty")
    BashOperator(
        task_id="bash", bash_command="echo run={{ dag.dag_id }} && python3 -c 'print(sum(range(10**6)))'"
    )
    BashOperator.partial(task_id="mapped_classic").expand(bash_command=["echo a{{ ti.map_index }}", "echo b"])

    @task
    def deco(text: str = "{{ dag.dag_id }}") -> str:
        return work(text)

    deco()

    @task
    def mapped_deco(number: int) -> int:
        work("mapped", number)
        return number * number

    @task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    total(mapped_deco.expand(number=[1, 2, 3]))

    @task.profiled("memray", native=False)
    def custom_decorator() -> str:
        return work("custom")

    custom_decorator()

    @task
    @profiled("resources")
    def under_task() -> str:
        return work("under")

    under_task()

    if VERSION >= (3, 2):

        @task
        async def async_task() -> str:
            import asyncio

            await asyncio.sleep(0.1)
            return work("async")

        async_task()

    sensors = {"python_callable": poke, "timeout": 120}
    PythonSensor(task_id="poking", poke_interval=1, mode="poke", op_args=["poking"], **sensors)
    PythonSensor(task_id="rescheduled", poke_interval=6, mode="reschedule", op_args=["resched"], **sensors)
    # Airflow itself fails a task whose trigger fires before its worker has reported that it deferred.
    moment = "{{ (macros.datetime.utcnow() + macros.timedelta(seconds=15)).isoformat() }}"
    DateTimeSensorAsync(task_id="deferred", target_time=moment)
    # What makes every DAG with such a task fail to import is a listener, of which there must be none.
    DateTimeSensorAsync(task_id="ended_by_trigger", target_time=moment, end_from_trigger=True)

    @setup
    def make() -> str:
        return work("setup")

    @teardown
    def remove() -> str:
        return work("teardown")

    @task
    def between() -> str:
        return work("between")

    make() >> between() >> remove()

    @task_group
    def group() -> None:
        @task
        def inner() -> str:
            return work("inner")

        inner()

    group()

    @task.branch
    def branch() -> str:
        work("branch", 2)
        return "chosen"

    branch() >> [EmptyOperator(task_id="chosen"), EmptyOperator(task_id="not_chosen")]

    @task.short_circuit
    def short() -> bool:
        return False

    short() >> EmptyOperator(task_id="cut_off")

    ExternalPythonOperator(task_id="external", python=sys.executable, python_callable=answer)
    # Without requirements it needs no index of packages.
    PythonVirtualenvOperator(task_id="virtualenv", python_callable=answer, system_site_packages=False)

    @task
    def failing() -> None:
        work("failing")
        raise ValueError("this task fails")

    failing()

    @task(retries=1)
    def retried() -> str:
        if counted("retried") < 2:
            raise RuntimeError("the first try fails")
        return work("retried")

    retried()

    @task
    def skipped() -> None:
        from airflow.exceptions import AirflowSkipException

        raise AirflowSkipException("nothing to do")

    skipped()

    @task(execution_timeout=timedelta(seconds=2))
    def timed_out() -> None:
        work("timed out")
        time.sleep(30)

    timed_out()

    @task
    def sigkilled() -> None:
        keep = [bytearray(1 << 20) for _ in range(30)]
        sum(number * number for number in range(2_000_000))
        os.kill(os.getpid(), signal.SIGKILL)
        assert keep

    sigkilled()

    @task
    def exited() -> None:
        work("exited")
        os._exit(0)

    exited()

    @task
    def system_exit() -> None:
        sys.exit(0)

    system_exit()

    @task
    def uses_memray() -> bool:
        import memray

        path = os.path.join(os.environ["MATRIX_SCRATCH"], f"own-{os.getpid()}.bin")
        with memray.Tracker(path):
            keep = [bytearray(1 << 20) for _ in range(4)]
        return os.path.getsize(path) > 0 and len(keep) == 4

    uses_memray()

with DAG("killed_from_outside", schedule=None, start_date=datetime(2024, 1, 1), catchup=False):

    @task
    def long() -> None:
        keep = [bytearray(1 << 20) for _ in range(20)]
        open(
            os.path.join(os.environ["MATRIX_SCRATCH"], f"long-{os.environ['AIRFLOW_CTX_DAG_RUN_ID']}"), "w"
        ).close()
        time.sleep(120)
        assert keep

    long()
