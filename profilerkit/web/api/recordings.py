"""Answer questions about recordings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from profilerkit.catalog.query import Field
from profilerkit.catalog.search import ALIASES, parse_search
from profilerkit.errors import UsageError
from profilerkit.stacks.names import printable
from profilerkit.views import list_json, show_json
from profilerkit.web import reports
from profilerkit.web.access import ForbiddenError, Viewer
from profilerkit.web.addresses import Addresses
from profilerkit.web.api import models
from profilerkit.web.api.answers import NOT_READY, making, unready
from profilerkit.web.delivery import packed
from profilerkit.web.site import Site, current_viewer, site_of
from profilerkit.web.told import overview_of, tell

MOST_ROWS = 1000

router = APIRouter(tags=["recordings"])
Viewing = Annotated[Viewer, Depends(current_viewer)]


@router.get("/recordings")
def recordings(
    request: Request,
    viewer: Viewing,
    q: Annotated[str, Query(description="A search as on the page.", max_length=2000)] = "",
    sort: Annotated[Field, Query(description="What they are sorted by.")] = Field.STARTED,
    descending: bool = True,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
    after: Annotated[str | None, Query(max_length=2000)] = None,
) -> models.Recordings:
    """Return the recordings that are wanted."""
    site = site_of(request)
    site.freshness.refresh()
    wanted = parse_search(q, aliases={**ALIASES, **site.hosting.search_aliases})
    page = site.catalog.page(
        wanted, scope=viewer.scope, sort=sort, descending=descending, limit=limit, after=after
    )
    found = [as_model(row.recording) for row in page.rows]
    return models.Recordings(recordings=found, next=page.next, total=page.total, capped=page.capped)


@router.get("/recordings/{recording_id}")
def recording(request: Request, recording_id: str, viewer: Viewing) -> models.Whole:
    """Return all that is known of a recording."""
    site, to = site_of(request), Addresses.of(request)
    told = tell(site, recording_id, viewer, wait_seconds=0.0)
    found = told.recording
    errors = told.overview["errors"] if told.overview else {}
    notes = told.overview["notes"] if told.overview else {}
    whole = show_json(found, {}, errors)
    for capture in whole["captures"]:
        capture["notes"] = notes.get(capture["profiler"], [])
        for number, file in enumerate(capture["files"]):
            file["url"] = to.raw(found.id, capture["profiler"], number)
    whole["reports"] = [
        {
            **each,
            "state_url": to.api_recording(found.id, f"reports/{each['name']}"),
            "file_url": to.report_file(found.id, each["name"]),
        }
        for each in told.reports
    ]
    return models.Whole(
        **clean({**whole, "reading": making(told.state).model_dump(), "url": to.recording(found.id)})
    )


@router.get("/recordings/{recording_id}/hot", responses=NOT_READY, response_model=list[models.HotTable])
def hot(request: Request, recording_id: str, viewer: Viewing) -> Any:
    """Return the hot frames of every metric that was recorded."""
    told = tell(site_of(request), recording_id, viewer, wait_seconds=0.0)
    waiting = unready(told.state)
    if waiting is not None or told.overview is None:
        return waiting
    names = ("function", "file", "line", "self_value", "total", "own")
    return [
        models.HotTable(
            **clean(
                {
                    **table,
                    **{
                        part: {
                            by: [dict(zip(names, row, strict=True)) for row in rows]
                            for by, rows in table[part].items()
                        }
                        for part in ("own", "all")
                    },
                }
            )
        )
        for table in told.hot
    ]


@router.get("/recordings/{recording_id}/timelines", responses=NOT_READY, response_model=models.Timelines)
def timelines(request: Request, recording_id: str, viewer: Viewing) -> Response:
    """Return every number over time, on one clock."""
    site = site_of(request)
    event = site.find(recording_id, viewer)
    state = overview_of(site, event)
    return unready(state) or packed(
        request, state.folder / "timelines.json.gz", media_type="application/json", headers={}
    )


@router.get("/recordings/{recording_id}/flamegraph", responses=NOT_READY, response_model=models.Flamegraph)
def flamegraph(
    request: Request,
    recording_id: str,
    viewer: Viewing,
    profiler: Annotated[str, Query(max_length=200)],
) -> Response:
    """Return the call tree that a profiler recorded, at most 50,000 nodes."""
    site = site_of(request)
    event = site.find(recording_id, viewer)
    _check_profiler(site, event.recording, profiler)
    state = reports.ask(site, event, f"{profiler}.flamegraph-data")
    return unready(state) or packed(
        request, state.folder / "report.gz", media_type="application/json", headers={}
    )


@router.get("/recordings/{recording_id}/reports/{report}")
def report_state(request: Request, recording_id: str, report: str, viewer: Viewing) -> models.Making:
    """Return how far a report is; whoever asks first has it rendered."""
    site = site_of(request)
    return making(reports.ask(site, site.find(recording_id, viewer), report))


@router.post("/recordings/{recording_id}/reports/{report}")
def render_report(request: Request, recording_id: str, report: str, viewer: Viewing) -> models.Making:
    """Have a report rendered, again if that failed before."""
    site = site_of(request)
    csrf = site.hosting.csrf
    if csrf is not None and not csrf.check(request, request.headers.get(csrf.header)):
        raise ForbiddenError("The page that sent this is too old, or of another site.", "Load it again.")
    return making(reports.ask(site, site.find(recording_id, viewer), report, again=True))


def _check_profiler(site: Site, found: Any, profiler: str) -> None:
    if found.capture(profiler) is None:
        has = ", ".join(printable(each.profiler) for each in found.captures) or "none"
        raise UsageError(f"{profiler[:80]!r} did not take part in this recording (profilers: {has}).")


def as_model(found: Any) -> models.Recording:
    """Return a recording as lists show it."""
    return models.Recording(**clean(list_json(found)))


def clean(value: Any) -> Any:
    """Return JSON without halves of surrogate pairs, which no UTF-8 can say."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {clean(str(name)): clean(each) for name, each in value.items()}
    return [clean(each) for each in value] if isinstance(value, (list, tuple)) else value
