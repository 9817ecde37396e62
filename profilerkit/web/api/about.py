"""Say what answers here, and what is installed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from profilerkit._version import __version__
from profilerkit.storeurl import store_fingerprint
from profilerkit.web.site import site_of

router = APIRouter()


class Health(BaseModel):
    """What answers here."""

    version: str
    store: str
    """The fingerprint of the store that is shown."""


@router.get("/health")
def health(request: Request) -> Health:
    """Return what answers here."""
    return Health(version=__version__, store=store_fingerprint(site_of(request).settings.store_url))
