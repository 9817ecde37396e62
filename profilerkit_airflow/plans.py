"""Turn a selection into what a plan of the core needs: checked choices and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profilerkit_airflow import compat
from profilerkit_airflow.contexts import TaskRun
from profilerkit_airflow.decorators import ANY
from profilerkit_airflow.selection import Selection, facts_of


def choose(selection: Selection) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the choices for a plan, and in words which profilers cannot take part here.

    A profiler that is missing or has wrong options is left out; the others record.
    """
    from profilerkit import plugins, select
    from profilerkit.errors import ProfilerKitError

    plugins.find_through(compat.entry_points)
    options = dict(selection.options)
    shared = options.pop(ANY, {})
    good: list[str] = []
    choices: list[dict[str, Any]] = []
    problems = []
    for name in selection.profilers:
        try:
            merged = {each: _options(each, options, shared) for each in (*good, name)}
            choices = select.choose((*good, name), merged, required=False)
            good.append(name)
        except ProfilerKitError as error:
            problems.append(f"{name} does not take part: {error}")
    return choices, [*problems, *_unused(shared, good)]


def labels(run: TaskRun, selection: Selection) -> dict[str, str]:
    """Return what a recording is found by beside the names of its task."""
    facts = facts_of(run)
    found = {
        "operator": facts.operator,
        "owner": facts.owner,
        "queue": facts.queue,
        "pool": facts.pool,
        "tags": ", ".join(sorted(facts.tags)),
        "chosen_by": selection.reason,
        **selection.labels,
    }
    return {name: value for name, value in found.items() if value}


def _options(name: str, options: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: shared[key] for key in shared if key in _known(name)}, **options.get(name, {})}


def _known(name: str) -> set[str]:
    from profilerkit import plugins
    from profilerkit.options import option_fields

    return set(option_fields(plugins.load(plugins.PROFILERS, name)))


def _unused(shared: Mapping[str, Any], names: list[str]) -> list[str]:
    known = {key for name in names for key in _known(name)} if shared else set()
    return [f"none of the profilers has an option {each!r}" for each in shared if each not in known]
