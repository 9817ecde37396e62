"""Show administrators whether this Airflow is set up, and what of its configuration cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from profilerkit import plugins
from profilerkit.web.access import ForbiddenError, Viewer
from profilerkit.web.site import Site, current_viewer, site_of
from profilerkit_airflow import check
from profilerkit_airflow.settings import load_settings

Finding = tuple[bool, str]
WRITES = ("_store", "_rules")
"""Looks of the command that are not for the page: a web server only reads, and rules are shown whole."""

router = APIRouter()


@router.get("/setup", include_in_schema=False)
def setup(request: Request, viewer: Annotated[Viewer, Depends(current_viewer)]) -> Response:
    """Show what works and what does not. Rules name DAGs, so it is for who may see them all."""
    if not viewer.is_admin:
        raise ForbiddenError("The set-up is for administrators.")
    site = site_of(request)
    site.freshness.refresh()
    return site.page(
        request,
        "airflow/setup.html",
        findings=list(_findings(site)),
        settings=load_settings(),
        profilers=plugins.describe(plugins.PROFILERS),
    )


def _findings(site: Site) -> Iterator[Finding]:
    """Yield what `profilerkit airflow check` finds too, as far as a web server can."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = getattr(check, "LOOKS", ())
    for look in looks:
        if look.__name__ not in WRITES:
            try:
                yield from look()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what the page is to tell
                yield False, f"{look.__name__.strip('_')}: {type(error).__name__}: {error}"
    problem = site.freshness.problem
    yield problem is None, str(problem or f"The store {site.store} can be read.")
