"""Compare two recordings, A with B: absolute numbers, nothing scaled to a common duration."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from profilerkit.catalog.values import as_shown
from profilerkit.errors import NotFoundError
from profilerkit.model import Event, Recording
from profilerkit.web.access import Viewer
from profilerkit.web.addresses import Addresses
from profilerkit.web.profiles import commands
from profilerkit.web.site import Site, current_viewer, site_of
from profilerkit.web.told import WAIT_SECONDS, read_packed
from profilerkit.web.words import unit_of
from profilerkit.web.work import FAILED, READY, RENDERING, Order, State

MAIN_FIGURES = ("peak_rss_bytes", "peak_heap_bytes", "duration_seconds", "cpu_seconds")
SMALL = 0.01
"""Of the larger total: a change below it is hidden unless it is asked for."""
CHOICES = 20
FIRST = ("heap_at_peak", "cpu", "wall")
"""The metrics that are shown before others."""

router = APIRouter()


def ask(site: Site, a: Event, b: Event, *, again: bool = False, wait_seconds: float = 0.0) -> State:
    """Return how far a comparison is, beginning it when nobody has."""
    return site.workshop.ask(Order("comparison", (a, b)), again=again, wait_seconds=wait_seconds)


@router.get("/compare", include_in_schema=False)
def compare(
    request: Request,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    a: str = "",
    b: str = "",
    profiler: str = "",
    metric: str = "",
    small: bool = False,
    id: Annotated[list[str], Query()] = [],  # noqa: A002, B006 - the form of the list calls them so
) -> Response:
    """Show what differs between two recordings."""
    site = site_of(request)
    to = Addresses.of(request)
    if len(id) >= 2 and not (a or b):
        older, newer = sorted(id[:2])  # ids sort by time
        return RedirectResponse(to.compare(older, newer), status_code=303)
    found = {letter: _find(site, viewer, each) for letter, each in (("a", a), ("b", b))}
    events = [event for event, _ in found.values()]
    values: dict[str, Any] = {
        "sides": found,
        "problems": [problem for _, problem in found.values() if problem is not None],
        "choices": _choices(site, viewer, events),
        "comparison": None,
        "reading": False,
        "unread": None,
        "small": small,
        "main_figures": MAIN_FIGURES,
        "unit_of": unit_of,
        "commands": commands(site),
    }
    if events[0] is not None and events[1] is not None:
        values.update(_compared(site, events[0], events[1], profiler, metric, small))
    status = 404 if values["problems"] else 200
    values["refresh_seconds"] = 1 if values["reading"] else None
    return site.page(request, "compare.html", status=status, **values)


def _find(site: Site, viewer: Viewer, reference: str) -> tuple[Event | None, NotFoundError | None]:
    if not reference:
        return None, None
    try:
        return site.find(reference, viewer), None
    except NotFoundError as error:
        return None, error


def _choices(site: Site, viewer: Viewer, events: list[Event | None]) -> list[Recording]:
    """Return what can be chosen: what is, and the runs of the same series, else the newest of all."""
    chosen = [event for event in events if event is not None]
    found = {event.recording.id: as_shown(event) for event in chosen}
    if chosen:
        runs = site.catalog.trend(chosen[0].recording.subject.series, scope=viewer.scope, limit=CHOICES)
        for run in runs:
            if run.id not in found:
                found[run.id] = as_shown(site.catalog.find(run.id, scope=viewer.scope))
    if len(found) <= len(chosen):
        page = site.catalog.page(scope=viewer.scope, limit=CHOICES)
        found = {**{row.recording.id: row.recording for row in page.rows}, **found}
    return sorted(found.values(), key=lambda each: each.id, reverse=True)  # ids sort by time


def _compared(site: Site, a: Event, b: Event, profiler: str, metric: str, small: bool) -> dict[str, Any]:
    state = ask(site, a, b, wait_seconds=WAIT_SECONDS)
    if state.state != READY:
        return {
            "reading": state.state == RENDERING,
            "unread": state.message if state.state == FAILED else None,
            "state": state,
        }
    found = read_packed(state, "comparison.json.gz")
    tables = [
        {"profiler": name, "metric": word, **each}
        for name, of in found["profilers"].items()
        for word, each in of["metrics"].items()
    ]
    tables.sort(key=lambda each: FIRST.index(each["metric"]) if each["metric"] in FIRST else len(FIRST))
    fitting = [each for each in tables if each["profiler"] == profiler and metric in ("", each["metric"])]
    table = next(iter([*fitting, *tables]), None)
    flames = list(state.result.get("flames", ()))
    drawn = profiler if profiler in flames else table["profiler"] if table else ""
    return {
        "comparison": found,
        "tables": tables,
        "table": table,
        "rows": _rows(table, set(found["own_files"]), small) if table else [],
        "flames": flames,
        "flame": drawn if drawn in flames else (flames[0] if flames else None),
        "state": state,
    }


def _rows(table: dict[str, Any], own_files: set[str], small: bool) -> dict[str, list[dict[str, Any]]]:
    """Return the functions that changed, own code first; without the smallest changes."""
    least = 0.0 if small else SMALL * max(abs(table["a"]), abs(table["b"]))
    return {
        part: [
            {**row, "is_own": row["file"] in own_files} for row in table[part] if abs(row["change"]) >= least
        ]
        for part in ("own", "functions")
    }
