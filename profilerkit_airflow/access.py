"""Decide what somebody may see and do here from what Airflow's auth manager says of them.

Tasks and triggers are for those who may read the task instances of their DAG, DAG files for those who
may read every DAG in them, and all else for administrators. What Airflow does not know is denied.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable

from attrs import frozen

from profilerkit.catalog.scope import Scope
from profilerkit.model import Subject
from profilerkit.web.access import Viewer

OF_A_DAG = ("task", "trigger")
"""Kinds of subjects whose group is a DAG's id."""
OF_A_FILE = "parse"
"""The kind whose group is the path of a DAG file."""

TASK_INSTANCES = "TASK_INSTANCE"
CODE = "CODE"
"""What of a DAG is asked for, by the names that Airflow has for it."""


class Person(ABC):
    """Somebody who is signed in to Airflow, and Airflow's answers about them."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Return what Airflow shows of them."""

    @abstractmethod
    def may(self, method: str, dag_id: str, entity: str | None = None) -> bool:
        """Tell whether they may `GET` or `PUT` a DAG, or a part of it."""

    @abstractmethod
    def readable_dags(self) -> Iterable[str]:
        """Return the ids of the DAGs that they may read, of those that Airflow knows."""

    @abstractmethod
    def dag_files(self) -> Iterable[tuple[str, str]]:
        """Return each DAG that Airflow knows, as its id and the path of its file."""

    @abstractmethod
    def is_admin(self) -> bool:
        """Tell whether they run this Airflow."""


@frozen
class AirflowViewer(Viewer):
    """A viewer who may also have tasks run again."""

    may_clear: Callable[[Subject], bool] = lambda _subject: False
    """Whether they may clear a task instance."""


def is_of_a_file(path: str) -> bool:
    """Tell whether a path below the app is that of one of its own files, which are the same for everybody.

    A page asks for twenty of them, and what somebody may see takes a question for each DAG.
    """
    return path.startswith("/static/")


def of_a_file(name: str) -> AirflowViewer:
    """Return a viewer for our own files alone."""
    return AirflowViewer(name, Scope.NOTHING)


def viewer_of(person: Person) -> AirflowViewer:
    """Return what a person may see and do."""
    admin = person.is_admin()
    return AirflowViewer(
        person.name,
        Scope.ALL if admin else Scope(groups=_groups(person)),
        may_see_source=lambda subject: _may_see_source(person, subject, admin),
        may_request=lambda subject: _is_of_a_dag(subject) and person.may("PUT", subject.group),
        may_clear=lambda subject: (
            _is_of_a_dag(subject)
            and person.may("PUT", subject.group)
            and person.may("PUT", subject.group, TASK_INSTANCES)
        ),
        is_admin=admin,
    )


def _groups(person: Person) -> dict[str, frozenset[str]]:
    readable = frozenset(person.readable_dags())
    tasks = frozenset(each for each in readable if person.may("GET", each, TASK_INSTANCES))
    in_file = _by_file(person)
    files = frozenset(file for file, dags in in_file.items() if dags <= readable)
    return {**dict.fromkeys(OF_A_DAG, tasks), OF_A_FILE: files}


def _by_file(person: Person) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for dag_id, file in person.dag_files():
        found[file].add(dag_id)
    return found


def _may_see_source(person: Person, subject: Subject, admin: bool) -> bool:
    if _is_of_a_dag(subject):
        return person.may("GET", subject.group, CODE)
    if subject.kind == OF_A_FILE:
        dags = _by_file(person).get(subject.group, set())
        return all(person.may("GET", each, CODE) for each in dags) if dags else admin
    return admin


def _is_of_a_dag(subject: Subject) -> bool:
    return subject.kind in OF_A_DAG and bool(subject.group)
