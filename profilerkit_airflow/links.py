"""Lead from a task in Airflow to its recordings: addresses, and one operator link for each profiler.

On Airflow 3 the links are global ones that the API server answers live from the catalog: none is shown
for a task without a recording, nothing is pushed by the task, and the serialized DAG stays as it is.
Airflow 2 shows a global link on every task, greyed, so there the policy adds links to the tasks that
rules or decorators choose.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from profilerkit_airflow import compat
from profilerkit_airflow.decorators import find_wanted
from profilerkit_airflow.rules import profilers_at_any_time
from profilerkit_airflow.selection import facts_of_task
from profilerkit_airflow.settings import load_settings

PREFIX = "/profilerkit"
"""Where the web app is mounted in Airflow, on 3 and 2."""
PROFILERS = "profilerkit.profilers"
SHOWN = ("dag_id", "run_id", "task_id", "map_index")
CLASS_NAME = "ProfileLink_"


def page_url(names: Mapping[str, str], profiler: str | None = None) -> str:
    """Return the address of the page that shows all tries and segments of a task instance.

    `names` are those of the recording's subject; the try is left out, since the page shows them all.
    """
    query = {name: names[name] for name in SHOWN if name in names}
    if profiler is not None:
        query["profiler"] = profiler
    return f"{compat.base_url()}{PREFIX}/task?{urlencode(query, quote_via=quote)}"


def profilers() -> tuple[str, ...]:
    """Return the names of the profilers that are registered here, without importing any."""
    return tuple(sorted({each.name for each in compat.entry_points(PROFILERS)}))


def global_links() -> list[Any]:
    """Return the links that the API server of Airflow 3 asks for every task; none on Airflow 2."""
    return [link_class(name)() for name in profilers()] if compat.is_airflow_3() else []


def class_paths() -> list[str]:
    """Return the import paths of the links' classes, which Airflow 2 wants registered."""
    if compat.is_airflow_3():
        return []
    return [f"{__name__}.{link_class(name).__name__}" for name in profilers()]


def add(task: Any) -> None:
    """Give a task of Airflow 2 that is going to be profiled its links."""
    if compat.is_airflow_3():
        return
    have = list(task.operator_extra_links)
    names = {each.name for each in have}
    new = [link_class(name)() for name in _chosen(task) if name in profilers()]
    if any(each.name not in names for each in new):
        task.operator_extra_links = [*have, *(each for each in new if each.name not in names)]


def _chosen(task: Any) -> tuple[str, ...]:
    """Return the profilers that rules or a decorator can choose for a task, on whatever run and try."""
    wanted = find_wanted(task)
    if wanted is not None:
        return tuple(wanted["profilers"])
    return profilers_at_any_time(load_settings().rules, facts_of_task(task))


@functools.cache
def link_class(profiler: str) -> Any:
    """Return the class of a profiler's link; Airflow tells links apart by their classes."""
    base: Any = compat.operator_link()

    def get_link(self: Any, operator: Any, *, ti_key: Any) -> str:
        names = {name: str(getattr(ti_key, name)) for name in SHOWN}
        if compat.is_airflow_3():
            from profilerkit_airflow.lookup import profilers_of

            if profiler not in profilers_of(names):
                return ""
        return page_url(names, profiler)

    fields = {"name": f"{profiler} profile", "get_link": get_link, "__module__": __name__}
    return type(base)(CLASS_NAME + re.sub(r"\W", "_", profiler), (base,), fields)


def __getattr__(name: str) -> Any:
    """Find the class of a link by its name, as Airflow 2 imports it."""
    for each in profilers() if name.startswith(CLASS_NAME) else ():
        if link_class(each).__name__ == name:
            return link_class(each)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
