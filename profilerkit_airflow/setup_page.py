"""Show administrators whether this Airflow is set up, and what of its configuration cannot be used."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from profilerkit import plugins
from profilerkit.web.access import ForbiddenError, Viewer
from profilerkit.web.site import current_viewer, site_of
from profilerkit_airflow import check
from profilerkit_airflow.settings import load_settings

router = APIRouter()


@router.get("/setup", include_in_schema=False)
def setup(request: Request, viewer: Annotated[Viewer, Depends(current_viewer)]) -> Response:
    """Show what works and what does not. Rules name DAGs, so it is for who may see them all."""
    if not viewer.is_admin:
        raise ForbiddenError("The set-up is for administrators.")
    return site_of(request).page(
        request,
        "airflow/setup.html",
        findings=getattr(check, "findings", list)(),
        settings=load_settings(),
        profilers=plugins.describe(plugins.PROFILERS),
    )
