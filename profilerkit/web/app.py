"""Make the web app of one store, for whatever hosts it: `profilerkit serve`, Airflow 3, Airflow 2."""

from __future__ import annotations

from fastapi import Depends, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from profilerkit._version import __version__
from profilerkit.limits import Limits
from profilerkit.settings import Settings
from profilerkit.web import compare, failures, plugins_page, profiles, recording, reports, static, trend
from profilerkit.web.access import Access
from profilerkit.web.added import add_pages
from profilerkit.web.addresses import API
from profilerkit.web.api import about, analysis, recordings
from profilerkit.web.api.answers import PROBLEMS
from profilerkit.web.gate import Gate
from profilerkit.web.hosting import Hosting
from profilerkit.web.site import Site, current_viewer

SMALLEST_COMPRESSED_BYTES = 1024


def create_app(
    settings: Settings, *, access: Access, hosting: Hosting | None = None, limits: Limits | None = None
) -> FastAPI:
    """Return the app of the store in `settings`.

    It is an ASGI app that works below any prefix (`root_path`), needs no lifespan events and starts
    nothing before the first request, so that a host may fork after it was made. `access` says who may
    see what, `hosting` what the host adds, `limits` what making one report may use.
    Raises UsageError when the store's URL is none.
    """
    hosting = hosting or Hosting()
    site = Site.of(settings, access, hosting, limits)
    app = FastAPI(
        title="profilerkit",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(current_viewer)],
    )
    app.state.site = site
    failures.install(app, site)
    for router in (
        profiles.router,
        recording.router,
        reports.router,
        compare.router,
        trend.router,
        plugins_page.router,
        static.router,
    ):
        app.include_router(router)
    for router in (about.router, recordings.router, analysis.router):
        app.include_router(router, prefix=API, responses=PROBLEMS)
    add_pages(app, site)
    # What is added last comes first.
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED_BYTES)
    app.add_middleware(Gate, access=access, ancestors=hosting.frame_ancestors, refuse=app.state.refuse)
    return app
