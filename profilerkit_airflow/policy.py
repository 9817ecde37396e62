"""Reach the process of each task: Airflow calls this cluster policy wherever it parses a DAG.

Every process of Airflow imports this module, so it imports little, but what selects is imported here:
the processes of tasks are forked from those that have imported it. No exception leaves it: one would
break every DAG, or the scheduler.
"""

from __future__ import annotations

from typing import Any

from airflow.policies import hookimpl

from profilerkit_airflow import hook, links

_said: set[str] = set()


@hookimpl
def task_policy(task: Any) -> None:
    """Have tasks of this process run inside contexts, and give this one its links."""
    try:
        hook.install()
        links.add(task)
    except Exception as error:  # noqa: BLE001 - a policy that raises breaks every DAG
        _say_once(f"{type(error).__name__}: {error}")


def _say_once(problem: str) -> None:
    if problem not in _said:
        _said.add(problem)
        import logging

        logging.getLogger("profilerkit.airflow").warning("tasks may run unprofiled: %s", problem)
