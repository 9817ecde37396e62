"""Ask and change Airflow's metadata database; the web server may, tasks may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

TRIES = 3
"""Two web servers may make the same Variable at the same moment; the second then finds it."""


def dag_files() -> list[tuple[str, str]]:
    """Return each DAG that Airflow knows, as its id and the path of its file."""
    from airflow.models.dag import DagModel
    from sqlalchemy import select

    with _session() as session:
        return [(dag_id, file) for dag_id, file in session.execute(select(DagModel.dag_id, DagModel.fileloc))]


def has_task(dag_id: str, task_id: str) -> bool:
    """Tell whether a DAG has a task, as Airflow last parsed it."""
    from airflow.models.serialized_dag import SerializedDagModel

    found = SerializedDagModel.get(dag_id)
    dag: Any = None if found is None else found.dag
    return dag is not None and task_id in dag.task_dict


def clear(dag_id: str, run_id: str, task_id: str, map_index: int) -> bool:
    """Have one task instance run again, as `Clear` in Airflow does; False when there is none."""
    from airflow.models.taskinstance import clear_task_instances

    with _session() as session:
        found = session.scalar(_instance(dag_id, run_id, task_id, map_index))
        if found is None:
            return False
        clear_task_instances([found], session)
        return True


def has_instance(dag_id: str, run_id: str, task_id: str) -> bool:
    """Tell whether a run has a task."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    chosen = select(TaskInstance.state).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id).limit(1)
    with _session() as session:
        return session.execute(chosen).first() is not None


def ended_at(dag_id: str, run_id: str, task_id: str, map_index: int) -> datetime | None:
    """Return when a task instance last ended, None while it has not."""
    from airflow.utils.state import State

    with _session() as session:
        found = session.scalar(_instance(dag_id, run_id, task_id, map_index))
        ended = found is not None and found.state in State.finished
        return found.end_date if ended else None


def runs_are_over(dag_id: str, run_ids: Iterable[str]) -> bool:
    """Tell whether none of some runs of a DAG goes on."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import State
    from sqlalchemy import select

    chosen = select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(list(run_ids)))
    with _session() as session:
        return all(state in State.finished_dr_states for state in session.scalars(chosen))


def read_variable(key: str) -> str | None:
    """Return a Variable's text, None without one."""
    with _session() as session:
        found = session.scalar(_variable(key))
        return None if found is None else found.get_val()


def change_variable(key: str, change: Callable[[str | None], str], *, description: str) -> None:
    """Change a Variable's text, or make it, so that no other web server's change is lost."""
    from airflow.models.variable import Variable
    from sqlalchemy.exc import IntegrityError

    for left in reversed(range(TRIES)):
        try:
            with _session() as session:
                found = session.scalar(_variable(key).with_for_update())
                if found is None:
                    session.add(Variable(key=key, val=change(None), description=description))
                else:
                    found.set_val(change(found.get_val()))
            return
        except IntegrityError:
            if not left:
                raise


def delete_variables(keys: Iterable[str]) -> None:
    """Delete Variables, as far as there are any."""
    with _session() as session:
        for key in keys:
            found = session.scalar(_variable(key))
            if found is not None:
                session.delete(found)


def _variable(key: str) -> Any:
    from airflow.models.variable import Variable
    from sqlalchemy import select

    return select(Variable).where(Variable.key == key)


def _instance(dag_id: str, run_id: str, task_id: str, map_index: int) -> Any:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    names = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    return select(TaskInstance).filter_by(**names)


def _session() -> Any:
    from airflow.utils.session import create_session

    return create_session()
