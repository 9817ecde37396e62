"""Show a subject over its runs: peak memory, CPU time, duration, and what changed between them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from profilerkit.catalog.values import Measure
from profilerkit.errors import UsageError
from profilerkit.model import Subject
from profilerkit.web.access import Viewer
from profilerkit.web.addresses import subject_of_query
from profilerkit.web.profiles import commands
from profilerkit.web.site import current_viewer, site_of

RUNS = 200
OFFERED = 50

router = APIRouter()


def asked_series(request: Request) -> Subject | None:
    """Return the series that the address names, None when it names none. Raises UsageError."""
    try:
        found = subject_of_query(request.query_params.items())
    except ValueError as error:
        raise UsageError(f"This is no subject: {error}.") from None
    return None if found is None else found.series


@router.get("/trend", include_in_schema=False)
def trend(request: Request, viewer: Annotated[Viewer, Depends(current_viewer)]) -> Response:
    """Show the runs of one series, or which series there are."""
    site = site_of(request)
    site.freshness.refresh()
    series = asked_series(request)
    if series is None:
        ranked = site.catalog.ranking(Measure.PEAK, scope=viewer.scope, limit=OFFERED)
        return site.page(request, "trends.html", ranked=ranked, commands=commands(site))
    runs = site.catalog.trend(series, scope=viewer.scope, limit=RUNS)
    status = 200 if runs else 404
    return site.page(
        request,
        "trend.html",
        status=status,
        series=series,
        runs=list(reversed(runs)),
        commands=commands(site),
    )
