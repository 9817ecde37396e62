"""Lead from a task in Airflow to its recordings: addresses, and operator links by profiler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from profilerkit_airflow import compat

PREFIX = "/profilerkit"
"""Where the web app is mounted in Airflow, on 3 and 2."""


def page_url(names: Mapping[str, str], profiler: str | None = None) -> str:
    """Return the address of the page that shows all tries and segments of a task instance.

    `names` are those of the recording's subject; the try is left out, since the page shows them all.
    """
    query = {name: names[name] for name in ("dag_id", "run_id", "task_id", "map_index") if name in names}
    if profiler is not None:
        query["profiler"] = profiler
    return f"{compat.base_url()}{PREFIX}/task?{urlencode(query, quote_via=quote)}"


def add(task: Any) -> None:
    """Give a task that is going to be profiled its links."""
