"""Show what was asked for, take new requests, and end them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from profilerkit.errors import NotFoundError, UsageError
from profilerkit.model import Subject
from profilerkit.web.access import ForbiddenError, Viewer
from profilerkit.web.addresses import Addresses
from profilerkit.web.site import current_viewer, site_of
from profilerkit_airflow import asking, metadata, request_book
from profilerkit_airflow.access import AirflowViewer
from profilerkit_airflow.asking import Form, sent_form
from profilerkit_airflow.requests import ANY_TASK

router = APIRouter()
NO_DAG = "There is no DAG {!r}, or you may not see it."


@router.get("/requests", include_in_schema=False)
def requests(request: Request, viewer: Annotated[Viewer, Depends(current_viewer)]) -> Response:
    """Show the requests for the DAGs that may be seen."""
    standing = asking.visible(viewer)
    mine = {
        each.request.id: viewer.may_request(Subject("task", {"dag_id": each.request.dag_id}))
        for each in standing
    }
    return site_of(request).page(
        request, "airflow/requests.html", standing=standing, may_cancel=mine, offered=asking.offered()
    )


@router.post("/requests", include_in_schema=False)
def ask(
    request: Request,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    form: Annotated[Form, Depends(sent_form)],
) -> Response:
    """Have the next runs of a task profiled."""
    subject = _asked_about(form, viewer)
    dag_id, task_id = subject.names["dag_id"], subject.names["task_id"]
    if task_id != ANY_TASK and not metadata.has_task(dag_id, task_id):
        raise UsageError(f"The DAG {dag_id!r} has no task {task_id!r}.")
    made = request_book.make_request(
        dag_id,
        task_id,
        profilers=asking.chosen_profilers(form),
        runs=form.number("runs"),
        lasts=asking.span(form.needed("until")),
        by=viewer.name,
    )
    request_book.add(made)
    return _back(request, form, made.id)


@router.post("/requests/clear", include_in_schema=False)
def clear(
    request: Request,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    form: Annotated[Form, Depends(sent_form)],
) -> Response:
    """Have one task instance run again, profiled."""
    subject = _asked_about(form, viewer)
    if not isinstance(viewer, AirflowViewer) or not viewer.may_clear(subject):
        raise ForbiddenError("You may not clear task instances of this DAG.")
    dag_id, task_id, run_id = subject.names["dag_id"], subject.names["task_id"], form.needed("run_id")
    index = form.number("map_index")
    made = request_book.make_request(
        dag_id,
        task_id,
        profilers=asking.chosen_profilers(form),
        run_id=run_id,
        map_index=index,
        lasts=asking.span(asking.USUAL_SPAN),
        by=viewer.name,
    )
    # Asked for first: the task may start at once.
    request_book.add(made)
    if not metadata.clear(dag_id, run_id, task_id, -1 if index is None else index):
        request_book.cancel(made.id)
        raise NotFoundError(f"The run {run_id!r} has no such task instance.")
    return _back(request, form, made.id)


@router.post("/requests/{request_id}/cancel", include_in_schema=False)
def cancel(
    request: Request,
    request_id: str,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    _form: Annotated[Form, Depends(sent_form)],
) -> Response:
    """End a request; who may make one for its DAG may end it."""
    found = next((each.request for each in asking.visible(viewer) if each.request.id == request_id), None)
    if found is None:
        raise NotFoundError("There is no such request.", "It may have ended by itself.")
    if not viewer.may_request(Subject("task", {"dag_id": found.dag_id})):
        raise ForbiddenError("Ending a request needs the right to edit its DAG.")
    request_book.cancel(found.id)
    return RedirectResponse(Addresses.of(request).to("/requests"), status_code=303)


def _asked_about(form: Form, viewer: Viewer) -> Subject:
    """Return the task that a form is about. Raises NotFoundError, ForbiddenError."""
    subject = Subject("task", {"dag_id": form.needed("dag_id"), "task_id": form.needed("task_id")})
    if not viewer.scope.allows(subject):
        raise NotFoundError(NO_DAG.format(subject.group))
    if not viewer.may_request(subject):
        raise ForbiddenError("Asking for a profile needs the right to edit the DAG.")
    return subject


def _back(request: Request, form: Form, request_id: str) -> Response:
    """Return to the task's page, which says what was asked."""
    names: dict[str, Any] = {name: form.one(name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    return RedirectResponse(
        Addresses.of(request).to("/task", {**names, "asked": request_id}), status_code=303
    )
