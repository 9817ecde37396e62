"""Show reports that backends and third parties render: each in a sandbox, whatever is in it."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from profilerkit.errors import CaptureError
from profilerkit.model import Event
from profilerkit.web.access import Viewer
from profilerkit.web.delivery import attachment, packed
from profilerkit.web.gate import FOREIGN_POLICY
from profilerkit.web.site import Site, current_viewer, site_of
from profilerkit.web.work import FAILED, RENDERING, Order, State

SHOWN = {"text/plain", "text/csv", "application/json"}
"""What is sent as it is, to be read by our own scripts; a browser that opens it alone keeps it as a file."""

router = APIRouter()


def ask(site: Site, event: Event, report: str, *, again: bool = False, wait_seconds: float = 0.0) -> State:
    """Return how far a report is, beginning it when nobody has.

    While the captures are being read for the recording's page nothing is begun: a report would read
    them at the same time once more.
    """
    order = Order("report", (event,), report)
    if site.workshop.look(order) is None:
        reading = site.workshop.ask(Order("overview", (event,)), wait_seconds=wait_seconds)
        if reading.state == RENDERING:
            return reading
    return site.workshop.ask(order, again=again, wait_seconds=wait_seconds)


@router.get("/recordings/{recording_id}/reports/{report}", include_in_schema=False)
def page(
    request: Request, recording_id: str, report: str, viewer: Annotated[Viewer, Depends(current_viewer)]
) -> Response:
    """Show a report with nothing else: what a link to a report leads to."""
    site = site_of(request)
    event = site.find(recording_id, viewer)
    return site.page(request, "report.html", recording=event.recording, report=report)


@router.get("/recordings/{recording_id}/reports/{report}/file", include_in_schema=False)
def file(
    request: Request,
    recording_id: str,
    report: str,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    download: bool = False,
) -> Response:
    """Send a report itself: HTML with the rules of a sandbox, everything else as a file to keep."""
    site = site_of(request)
    event = site.find(recording_id, viewer)
    state = ask(site, event, report, wait_seconds=1.0)
    if state.state == RENDERING:
        found = site.page(request, "waiting.html", status=202, report=report, state=state)
        found.headers["Refresh"] = "2"
        return found
    if state.state == FAILED:
        raise CaptureError(state.message or "The report could not be rendered.")
    filename = str(state.result["filename"])
    kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    name = f"{event.recording.id}-{state.result['profiler']}-{filename}"
    if kind == "text/html" and not download:
        policy = FOREIGN_POLICY.format(ancestors=site.hosting.frame_ancestors)
        headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
        return packed(
            request, state.folder / "framed.gz", media_type="text/html; charset=utf-8", headers=headers
        )
    sent = kind if kind in SHOWN and not download else "application/octet-stream"
    return packed(request, state.folder / "report.gz", media_type=sent, headers=attachment(name))
