"""Show one recording."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from profilerkit.catalog.values import as_shown
from profilerkit.web.access import Viewer
from profilerkit.web.site import current_viewer, site_of

router = APIRouter()


@router.get("/recordings/{recording_id}", include_in_schema=False)
def recording(
    request: Request, recording_id: str, viewer: Annotated[Viewer, Depends(current_viewer)]
) -> Response:
    """Show a recording."""
    site = site_of(request)
    event = site.find(recording_id, viewer)
    return site.page(request, "recording.html", recording=as_shown(event))
