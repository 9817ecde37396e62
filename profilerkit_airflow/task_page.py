"""Show all tries and segments of a task: where links and tabs of Airflow lead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from attrs import frozen
from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from profilerkit.catalog.query import Query
from profilerkit.catalog.values import Row
from profilerkit.errors import NotFoundError
from profilerkit.model import Subject
from profilerkit.web.access import Viewer
from profilerkit.web.addresses import Addresses
from profilerkit.web.site import current_viewer, site_of
from profilerkit_airflow import metadata
from profilerkit_airflow.asking import form_values

ROWS = 200
NOT_MAPPED = "-1"

router = APIRouter()


@frozen
class TaskPlace:
    """What of a task the address names: all of it, one run, or one map index."""

    dag_id: str
    task_id: str
    run_id: str | None = None
    map_index: str | None = None
    profiler: str | None = None
    """The profiler whose link was followed."""

    @property
    def subject(self) -> Subject:
        """Return it as the subject of a recording, as far as it is named."""
        names = {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
        }
        return Subject("task", {key: value for key, value in names.items() if value is not None})

    @property
    def query(self) -> Query:
        """Return which recordings are of it."""
        names = tuple((name, exactly(value)) for name, value in self.subject.names.items())
        return Query(kind="task", names=names)


def place(
    dag_id: str,
    task_id: str,
    run_id: str | None = None,
    map_index: str | None = None,
    profiler: str | None = None,
) -> TaskPlace:
    """Return what the address names.

    Airflow leaves `{MAP_INDEX}` as it is for a task that is not mapped. Up to 3.1 it does not escape what
    it puts into an address, and the `+` of a run's id arrives as a space.
    """
    index = map_index if map_index is not None and re.fullmatch(r"-?\d{1,9}", map_index) else None
    if run_id is not None and " " in run_id and not metadata.has_instance(dag_id, run_id, task_id):
        run_id = run_id.replace(" ", "+")
    return TaskPlace(dag_id, task_id, run_id or None, index, profiler or None)


def exactly(text: str) -> str:
    """Return a glob that only this text fits."""
    return re.sub(r"([*?[])", r"[\1]", text)


@router.get("/task", include_in_schema=False)
def task(
    request: Request,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    where: Annotated[TaskPlace, Depends(place)],
    asked: str | None = None,
) -> Response:
    """Show every recording of a task, of one of its runs, or of one map index."""
    if not viewer.scope.allows(where.subject):
        raise NotFoundError(f"There is no DAG {where.dag_id!r}.", "It may be gone, or you may not see it.")
    site = site_of(request)
    site.freshness.refresh()
    page = site.catalog.page(where.query, scope=viewer.scope, limit=ROWS)
    return site.page(
        request,
        "airflow/task.html",
        where=where,
        rows=page.rows,
        total=page.total,
        segments=segments(page.rows),
        several=len({row.recording.subject.names.get("map_index") for row in page.rows}) > 1,
        links=site.hosting.subject_links(where.subject),
        refresh_seconds=5 if any(row.recording.status.value == "running" for row in page.rows) else None,
        **form_values(where.subject, viewer, asked),
    )


def segments(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Return for each recording which segment of its try it is, and of how many: a deferred task has two."""
    tries: dict[tuple[str, ...], list[str]] = {}
    for row in reversed(rows):
        tries.setdefault(tuple(row.recording.subject.names.values()), []).append(row.recording.id)
    return {each: (number, len(ids)) for ids in tries.values() for number, each in enumerate(ids, 1)}


@router.get("/dag", include_in_schema=False)
def dag(request: Request, dag_id: str) -> Response:
    """Show the recordings of one DAG: the list, filtered."""
    quoted = dag_id.replace("\\", "\\\\").replace('"', '\\"')
    return RedirectResponse(Addresses.of(request).profiles(q=f'dag:"{exactly(quoted)}"'), status_code=303)
