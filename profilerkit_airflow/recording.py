"""Record a task: the first of the task contexts."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profilerkit_airflow import compat
from profilerkit_airflow.contexts import TaskRun, describe
from profilerkit_airflow.selection import Selection, select
from profilerkit_airflow.settings import load_settings, recording_settings

if TYPE_CHECKING:
    from profilerkit.session import Session

log = logging.getLogger("airflow.task.profilerkit")


def record(run: TaskRun) -> TaskRecording | None:
    """Return the recording of a task, None for one that nobody chose to profile."""
    settings = load_settings()
    selection = select(run, settings)
    return None if selection is None else TaskRecording(run, selection, settings.store_conn_id)


class TaskRecording:
    """One segment of a task, recorded from `__enter__` to `__exit__`."""

    def __init__(self, run: TaskRun, selection: Selection, store_conn_id: str) -> None:
        self._run = run
        self._selection = selection
        self._conn_id = store_conn_id
        self._session: Session | None = None
        self._said: list[str] = []
        """What the task's log has been told of what failed."""
        self._killed = False
        self._restore: Any = None

    def __enter__(self) -> TaskRecording:
        """Start to record; whatever fails, the task runs."""
        with garbage_kept():
            session = self._start()
        from profilerkit_airflow.log import say_problems

        if session.problem is not None:
            log.warning("profilerkit: not recorded: %s", session.problem)
            return self
        self._session = session
        self._said = say_problems(session)
        self._watch_kills()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Stop to record and tell what became of the task."""
        session = self._session
        if session is None:
            return
        self._stop_watching_kills()
        outcome = compat.outcome_of(error)
        if self._killed and outcome not in ("success", "timeout"):
            outcome = "killed"
        session.stop(outcome, error=None if kind is None else kind.__name__)
        from profilerkit_airflow.log import say_ended
        from profilerkit_airflow.metrics import send

        say_ended(session, self._said)
        send(session, self._run.names, outcome)

    def _start(self) -> Session:
        from profilerkit.session import Session
        from profilerkit_airflow.log import say_started, say_waiting

        plan = self._plan()
        session = Session(plan)
        say_started(self._run, [each["name"] for each in plan["profilers"]])
        say_waiting(Path(plan["spool"]))
        session.start()
        return session

    def _plan(self) -> dict[str, Any]:
        from profilerkit.select import make_plan
        from profilerkit_airflow.plans import choose, labels
        from profilerkit_airflow.store import storage_options

        settings, problems = recording_settings(storage_options(self._conn_id))
        choices, warnings = choose(self._selection)
        for each in (*problems, *warnings):
            log.warning("profilerkit: %s", each)
        plan = make_plan(
            "task",
            self._run.names,
            choices,
            settings,
            labels=labels(self._run, self._selection),
            own_folders=list(dict.fromkeys(compat.own_folders(self._run.task_instance))),
            warnings=(*problems, *warnings),
        )
        # What we do around the user's code is not the user's own.
        plan["roots"]["profilerkit-airflow"] = os.path.dirname(os.path.abspath(__file__))
        plan["settings"]["silent_exit"] = "failed"  # as Airflow sees a task that ends its own process
        plan["settings"]["receipts"] = True  # metrics of what only ship knows
        return plan

    def _watch_kills(self) -> None:
        """Note that Airflow kills the task as soon as it says so: the rest may never be reached."""
        task = self._run.task
        original = task.on_kill

        def on_kill(*args: Any, **keywords: Any) -> Any:
            self._killed = True
            try:
                if self._session is not None:
                    self._session.note_outcome("killed")
            except Exception as error:  # noqa: BLE001 - the task is killed as it would have been
                log.warning("profilerkit: %s", describe(error))
            return original(*args, **keywords)

        task.on_kill = on_kill
        self._restore = on_kill

    def _stop_watching_kills(self) -> None:
        task = self._run.task
        if vars(task).get("on_kill") is self._restore:
            del task.on_kill


@contextlib.contextmanager
def garbage_kept() -> Iterator[None]:
    """Collect no garbage in the block.

    Each full collection in a process that was just forked from an Airflow takes 10 to 30 ms, and what
    a recording imports at its start would set off several.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
