"""Say what answers here, and what is installed."""

from __future__ import annotations

from typing import Any

import attrs
from fastapi import APIRouter, Request

from profilerkit._version import __version__
from profilerkit.storeurl import store_fingerprint
from profilerkit.views import time_json
from profilerkit.web.addresses import Addresses
from profilerkit.web.api.models import Health, Plugin, Plugins
from profilerkit.web.plugins_page import installed
from profilerkit.web.site import site_of

router = APIRouter(tags=["server"])


@router.get("/health")
def health(request: Request) -> Health:
    """Return what answers here, and how it stands with the store."""
    site = site_of(request)
    synced, problem = site.freshness.synced_at, site.freshness.problem
    return Health(
        version=__version__,
        store=store_fingerprint(site.settings.store_url),
        synced_at=None if synced is None else time_json(synced),
        problem=None if problem is None else str(problem),
    )


@router.get("/plugins")
def plugins() -> Plugins:
    """Return what is installed on this server."""
    found = [
        Plugin(**{**attrs.asdict(each), "group": group}) for group, of in installed().items() for each in of
    ]
    return Plugins(plugins=found)


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Any:
    """Return the description of this API."""
    return {**request.app.openapi(), "servers": [{"url": Addresses.of(request).base or "/"}]}
