"""Run a task's code inside context managers: ours, and those that others register.

An entry point of the group `profilerkit.airflow.contexts` is a callable that takes a `TaskRun` and
returns a context manager, or None for a task that it does not care for. What fails in one is logged
and never reaches the task.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from profilerkit_airflow import compat

GROUP = "profilerkit.airflow.contexts"
log = logging.getLogger("airflow.task.profilerkit")

TaskContext = Callable[["TaskRun"], "AbstractContextManager[Any] | None"]


class TaskRun(NamedTuple):
    """One segment of one try of a task that is about to run, as far as all Airflows agree on it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    """-1 for a task that is not mapped."""
    try_number: int
    task: Any
    """The operator that runs, templates rendered."""
    task_instance: Any
    context: Mapping[str, Any]
    """Airflow's own context, as `execute` gets it."""

    @property
    def names(self) -> dict[str, str]:
        """Return the names of the recording's subject, in their order."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": str(self.map_index),
            "try_number": str(self.try_number),
        }


class Contexts:
    """The contexts that one task runs in."""

    def __init__(self) -> None:
        self._entered: list[tuple[str, AbstractContextManager[Any]]] = []

    def enter(self, task_instance: Any, context: Mapping[str, Any]) -> None:
        """Enter every registered context, ours first."""
        run = _task_run(task_instance, context)
        if run is None:
            return
        for name, make in registered():
            try:
                manager = make(run)
                if manager is not None:
                    manager.__enter__()
                    self._entered.append((name, manager))
            except Exception as error:  # noqa: BLE001 - the task goes on without
                log.warning("the context %s could not be entered: %s", name, describe(error))

    def leave(self, error: BaseException | None) -> None:
        """Leave them in reverse order. What one returns is ignored: no context makes a failure a success."""
        while self._entered:
            name, manager = self._entered.pop()
            try:
                if error is None:
                    manager.__exit__(None, None, None)
                else:
                    manager.__exit__(type(error), error, error.__traceback__)
            except Exception as problem:  # noqa: BLE001 - the task ends as it would have ended
                log.warning("the context %s could not be left: %s", name, describe(problem))


@functools.cache
def registered() -> tuple[tuple[str, TaskContext], ...]:
    """Return the contexts by name, ours outermost; one that cannot be imported is left out."""
    found: dict[str, TaskContext] = {}
    for each in sorted(compat.entry_points(GROUP), key=lambda each: (each.name != "profilerkit", each.name)):
        try:
            found[each.name] = each.load()
        except Exception as error:  # noqa: BLE001 - one broken plugin never takes the others down
            log.warning("the context %s cannot be used: %s", each.name, describe(error))
    return tuple(found.items())


def _task_run(ti: Any, context: Mapping[str, Any]) -> TaskRun | None:
    try:
        return TaskRun(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else int(ti.map_index),
            try_number=int(ti.try_number),
            task=ti.task,
            task_instance=ti,
            context=context,
        )
    except Exception as error:  # noqa: BLE001 - the task goes on
        log.warning("this task runs without contexts: %s", describe(error))
        return None


def describe(error: BaseException) -> str:
    """Return an exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
