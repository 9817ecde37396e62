"""Hold what every page needs: the store's catalog and archive, who may see what, and the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from attrs import define, field, frozen
from fastapi import Request
from starlette.responses import HTMLResponse

from profilerkit.archive import Archive
from profilerkit.catalog.catalog import Catalog
from profilerkit.limits import Limits
from profilerkit.model import Event
from profilerkit.settings import Settings
from profilerkit.stores import open_store
from profilerkit.storeurl import store_fingerprint, store_label
from profilerkit.web.access import Access, Viewer
from profilerkit.web.addresses import Addresses
from profilerkit.web.freshness import Freshness
from profilerkit.web.hosting import Hosting, Link
from profilerkit.web.remembered import Remembered
from profilerkit.web.words import FILTERS
from profilerkit.web.work import State, Workshop

TEMPLATES = Path(__file__).with_name("templates")


@frozen
class Entry:
    """A page in the main navigation."""

    text: str
    path: str
    """Below the prefix."""
    visible: Callable[[Viewer], bool] = lambda _viewer: True


@define
class Site:
    """One app: a store, a host, and its pages."""

    settings: Settings
    access: Access
    hosting: Hosting
    archive: Archive
    catalog: Catalog
    workshop: Workshop
    freshness: Freshness = field(init=False)
    templates: jinja2.Environment = field(init=False)
    entries: list[Entry] = field(init=False)
    remembered: Remembered = field(factory=Remembered, init=False)
    overviews: dict[str, State] = field(factory=dict, init=False)
    """What was read last of recordings, by id."""
    loaders: dict[str, jinja2.BaseLoader] = field(factory=dict, init=False)
    """Templates of third parties, by the slug of their page."""

    @classmethod
    def of(cls, settings: Settings, access: Access, hosting: Hosting, limits: Limits | None = None) -> Site:
        """Return the site of the store in the settings; reports are made within the limits."""
        archive = Archive(open_store(settings.store_url, settings.storage_options or None))
        catalog = Catalog.at(settings.catalog_folder, archive, store_fingerprint(settings.store_url))
        return cls(settings, access, hosting, archive, catalog, Workshop.of(settings, limits or Limits()))

    def __attrs_post_init__(self) -> None:
        self.freshness = Freshness(self.catalog)
        self.entries = [
            Entry("Profiles", "/"),
            Entry("Trends", "/trend"),
            Entry("Compare", "/compare"),
            Entry("Plugins", "/plugins"),
        ]
        self.templates = jinja2.Environment(
            loader=jinja2.ChoiceLoader(
                [jinja2.FileSystemLoader(TEMPLATES), jinja2.PrefixLoader(self.loaders)]
            ),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters.update(FILTERS)

    @property
    def store(self) -> str:
        """Return what may be shown of the store's URL."""
        return store_label(self.settings.store_url)

    def find(self, recording_id: str, viewer: Viewer) -> Event:
        """Return a recording's event. Raises NotFoundError also when this viewer may not see it."""
        self.freshness.refresh()
        return self.catalog.find(recording_id, scope=viewer.scope)

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page made from a template."""
        text = self.templates.get_template(template).render({**self._common(request), **values})
        data = text.encode("utf-8", "backslashreplace")
        return HTMLResponse(data, status_code=status, headers={"Cache-Control": "private, no-store"})

    def _common(self, request: Request) -> Mapping[str, Any]:
        """Return what the frame around every page needs."""
        to = Addresses.of(request)
        viewer: Viewer | None = getattr(request.state, "viewer", None)
        hosted = self.hosting.navigation(request) if self.hosting.navigation and viewer else []
        navigation = [
            Link(each.text, to.to(each.path)) for each in self.entries if viewer and each.visible(viewer)
        ]
        path = request.scope["path"].removeprefix(request.scope.get("root_path", "")) or "/"
        return {
            "to": to,
            "request": request,
            "hosting": self.hosting,
            "store": self.store,
            "viewer": viewer,
            "navigation": [*navigation, *hosted],
            "current": to.to("/" if path.startswith("/recordings/") else path),
            "stale": self.freshness.problem if viewer else None,
            "synced_at": self.freshness.synced_at,
            "csrf": self.hosting.csrf.field(request) if self.hosting.csrf and viewer else None,
            "csrf_header": self.hosting.csrf.header if self.hosting.csrf else None,
            "refresh_seconds": None,
        }


def site_of(request: Request) -> Site:
    """Return the site that answers a request."""
    site: Site = request.app.state.site
    return site


def current_viewer(request: Request) -> Viewer:
    """Return who is asking: the dependency of every route."""
    viewer = site_of(request).access.viewer(request)
    request.state.viewer = viewer
    return viewer
