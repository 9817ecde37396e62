"""Show which plugins are installed, and which can be used here or why not."""

from __future__ import annotations

import functools
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from profilerkit import plugins
from profilerkit.plugins import PluginInfo
from profilerkit.web.access import Viewer
from profilerkit.web.site import current_viewer, site_of

router = APIRouter()


@functools.cache
def installed() -> dict[str, list[PluginInfo]]:
    """Return all plugins by group; what is installed later is seen after a restart."""
    return {group.partition(".")[2]: plugins.describe(group) for group in plugins.GROUPS}


@router.get("/plugins", include_in_schema=False)
def page(request: Request, viewer: Annotated[Viewer, Depends(current_viewer)]) -> Response:
    """Show what is installed."""
    return site_of(request).page(request, "plugins.html", groups=installed())
