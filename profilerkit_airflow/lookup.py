"""Tell the web server's links which profilers recorded a task, from the catalog."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from profilerkit.web.site import Site

log = logging.getLogger("profilerkit.airflow")
SHOWN = ("dag_id", "run_id", "task_id", "map_index")


def profilers_of(names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the profilers that recorded a task instance in any of its tries; none when it is not known."""
    try:
        from profilerkit.catalog.query import Query
        from profilerkit.catalog.scope import Scope
        from profilerkit_airflow.task_page import exactly

        site = _site()
        site.freshness.refresh()
        wanted = tuple((name, exactly(names[name])) for name in SHOWN if name in names)
        page = site.catalog.page(Query(kind="task", names=wanted), scope=Scope.ALL, limit=50)
    except Exception as error:  # noqa: BLE001 - a link that is missing harms less than a page that fails
        log.warning("recordings of a task could not be looked up: %s: %s", type(error).__name__, error)
        return ()
    found = dict.fromkeys(capture.profiler for row in page.rows for capture in row.recording.captures)
    return tuple(found)


@functools.cache
def _site() -> Site:
    """Open the same catalog as the pages do; it is made for several threads and processes."""
    from profilerkit.web.access import LoopbackAccess
    from profilerkit.web.hosting import Hosting
    from profilerkit.web.site import Site
    from profilerkit_airflow.hosted import web_settings

    return Site.of(web_settings(), LoopbackAccess(), Hosting())
