"""Leave these tests alone where there is no Airflow; give the others one process that runs tasks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.airflow.lab import TaskLab, TaskRuns

collect_ignore_glob = [] if find_spec("airflow") else ["*"]


@pytest.fixture(scope="session")
def task_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskLab]:
    """Give the process that runs tasks, for the whole session."""
    from tests.airflow.lab import task_lab

    with task_lab(tmp_path_factory.mktemp("tasks")) as found:
        yield found


@pytest.fixture
def tasks(task_lab: TaskLab) -> Iterator[TaskRuns]:
    """Give task runs with a store and a spool of their own; what is left is not tried for ever."""
    found = task_lab.new()
    yield found
    shutil.rmtree(found.spool, ignore_errors=True)
