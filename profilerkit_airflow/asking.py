"""Ask for profiles: what the form offers, and what it makes of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from attrs import frozen
from fastapi import Request as HttpRequest

from profilerkit import plugins
from profilerkit.errors import UsageError
from profilerkit.model import Subject
from profilerkit.web.access import ForbiddenError, Viewer
from profilerkit.web.site import site_of
from profilerkit_airflow import request_book
from profilerkit_airflow.access import AirflowViewer
from profilerkit_airflow.request_book import Standing
from profilerkit_airflow.settings import load_settings

SPANS = {
    "1h": ("in 1 hour", timedelta(hours=1)),
    "6h": ("in 6 hours", timedelta(hours=6)),
    "1d": ("in 1 day", timedelta(days=1)),
    "7d": ("in 7 days", timedelta(days=7)),
    "30d": ("in 30 days", timedelta(days=30)),
}
USUAL_SPAN = "1d"
USUAL_RUNS = 3
LONGEST_FORM_BYTES = 64 * 1024


@frozen
class Form:
    """What was sent: each field's values in their order."""

    values: Mapping[str, tuple[str, ...]]

    def one(self, name: str) -> str | None:
        """Return a field's only value, None when it is empty."""
        return next((each for each in self.values.get(name, ()) if each), None)

    def number(self, name: str) -> int | None:
        """Return a field's whole number. Raises UsageError for anything else."""
        text = self.one(name)
        try:
            return None if text is None else int(text)
        except ValueError:
            raise UsageError(f"{name} is a whole number, not {text!r}.") from None

    def needed(self, name: str) -> str:
        """Return a field's only value. Raises UsageError when it is empty."""
        text = self.one(name)
        if text is None:
            raise UsageError(f"{name} is missing.")
        return text


async def sent_form(request: HttpRequest) -> Form:
    """Return the form that was sent by our own page. Raises ForbiddenError for anybody else's."""
    if len(body := await request.body()) > LONGEST_FORM_BYTES:
        raise UsageError("The form is too long.")
    values: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        values[name] = (*values.get(name, ()), value)
    form = Form(values)
    csrf = site_of(request).hosting.csrf
    if csrf is not None:
        given = form.one(csrf.field(request)[0]) or request.headers.get(csrf.header)
        if not csrf.check(request, given):
            raise ForbiddenError("This form is too old, or another site sent it.", "Load its page again.")
    return form


def span(name: str) -> timedelta:
    """Return how long a request is to last. Raises UsageError for a name that the form does not offer."""
    if name not in SPANS:
        raise UsageError(f"A request ends {', '.join(words for words, _ in SPANS.values())}, not {name!r}.")
    return SPANS[name][1]


def offered() -> list[str]:
    """Return the profilers that may be asked for, in the administrator's order."""
    return list(load_settings().on_demand)


def chosen_profilers(form: Form) -> tuple[str, ...]:
    """Return the profilers that were chosen. Raises UsageError for one that may not be asked for."""
    allowed = offered()
    chosen = form.values.get("profiler", ())
    refused = [each for each in chosen if each not in allowed]
    if refused:
        raise UsageError(
            f"{', '.join(refused)} may not be asked for here.", "An administrator allows it with `on_demand`."
        )
    return tuple(dict.fromkeys(chosen))


def titles() -> dict[str, str]:
    """Return what each profiler calls itself, as far as it is installed on the web server too."""
    return {each.name: each.title or each.name for each in plugins.describe(plugins.PROFILERS)}


def visible(viewer: Viewer) -> list[Standing]:
    """Return the requests for DAGs that somebody may see."""
    return [
        each
        for each in request_book.standing()
        if viewer.scope.allows(Subject("task", {"dag_id": each.request.dag_id}))
    ]


def form_values(subject: Subject, viewer: Viewer, asked: str | None) -> dict[str, Any]:
    """Return what the form of a task needs, with the requests that there are for it."""
    names = offered()
    may_ask = bool(names) and viewer.may_request(subject)
    may_clear = may_ask and isinstance(viewer, AirflowViewer) and viewer.may_clear(subject)
    dag_id, task_id = subject.names["dag_id"], subject.names["task_id"]
    standing = [
        each
        for each in visible(viewer)
        if each.request.dag_id == dag_id and each.request.task_id in ("*", task_id)
    ]
    return {
        "offered": names,
        "titles": titles(),
        "may_ask": may_ask,
        "may_clear": may_clear and "run_id" in subject.names,
        "standing": standing,
        "asked": next((each for each in standing if each.request.id == asked), None),
        "spans": {name: words for name, (words, _) in SPANS.items()},
        "usual_span": USUAL_SPAN,
        "usual_runs": USUAL_RUNS,
    }
