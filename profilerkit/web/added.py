"""Add the pages of hosts and third parties, which come through the entry points `profilerkit.pages`."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import jinja2
from attrs import frozen
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import Response

from profilerkit import plugins
from profilerkit.errors import UnavailableError, UsageError
from profilerkit.web.access import ForbiddenError, Viewer
from profilerkit.web.addresses import Addresses, Query
from profilerkit.web.hosting import Hosting
from profilerkit.web.site import Entry, Site, current_viewer

SLUG = re.compile(r"[a-z][a-z0-9-]{0,40}")

log = logging.getLogger("profilerkit.web")


class Pages(Protocol):
    """What an entry point of the group `profilerkit.pages` is: an object, or a class without arguments.

    It may also have `templates`, the folder of its templates, which are found as `<slug>/<file>`;
    `visible(viewer) -> bool`, whether somebody may have its pages (everybody by default, as long as
    they may have any); `hosts(hosting) -> bool`, whether it belongs to this host.
    """

    title: str
    """What the navigation calls it."""
    slug: str
    """Its place in addresses: `/pages/<slug>/`."""

    def router(self, context: PageContext) -> APIRouter:
        """Return its routes, below its place; `/` is its first page."""


@frozen
class PageContext:
    """What an added page works with."""

    site: Site
    slug: str

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page made from one of its templates, which may extend `base.html`."""
        return self.site.page(request, f"{self.slug}/{template}", status=status, **values)

    def address(self, request: Request, path: str = "/", query: Query = ()) -> str:
        """Return the address of one of its routes."""
        return Addresses.of(request).to(f"/pages/{self.slug}{path}", query)


def add_pages(app: FastAPI, site: Site) -> None:
    """Add all pages that are installed and belong to this host; one that is broken is left out."""
    for name in plugins.names(plugins.PAGES):
        try:
            loaded = plugins.load(plugins.PAGES, name)
            _add(app, site, loaded() if isinstance(loaded, type) else loaded)
        except (UnavailableError, UsageError) as error:
            log.warning("%s", error)
        except Exception:
            log.exception("The page %s cannot be added.", name)


def _add(app: FastAPI, site: Site, pages: Any) -> None:
    hosts: Callable[[Hosting], bool] = getattr(pages, "hosts", lambda _hosting: True)
    if not hosts(site.hosting):
        return
    if not SLUG.fullmatch(pages.slug) or pages.slug in site.loaders:
        raise UsageError(f"The page {pages.title!r} has no slug of its own ({pages.slug!r}).")
    visible: Callable[[Viewer], bool] = getattr(pages, "visible", lambda _viewer: True)

    def guard(request: Request) -> None:
        viewer: Viewer = request.state.viewer
        if not visible(viewer):
            raise ForbiddenError("You may not see this page.")

    router = pages.router(PageContext(site, pages.slug))
    if templates := getattr(pages, "templates", None):
        site.loaders[pages.slug] = jinja2.FileSystemLoader(Path(templates))
    # The viewer comes first: the guard asks about them. The OpenAPI tells of our own API alone.
    app.include_router(
        router,
        prefix=f"/pages/{pages.slug}",
        dependencies=[Depends(current_viewer), Depends(guard)],
        include_in_schema=False,
    )
    site.entries.append(Entry(pages.title, f"/pages/{pages.slug}/", visible))
