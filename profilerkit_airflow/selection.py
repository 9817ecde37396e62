"""Choose which profilers record a task that is about to run, and say why.

The run's conf comes first, then a request from the web page, then the task's decorator, then the rules.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, NamedTuple

from profilerkit_airflow import compat
from profilerkit_airflow.contexts import TaskRun, describe
from profilerkit_airflow.decorators import find_wanted
from profilerkit_airflow.rules import TaskFacts, first_match, parse_options, texts
from profilerkit_airflow.settings import SECTION, AirflowSettings

log = logging.getLogger("airflow.task.profilerkit")


class Selection(NamedTuple):
    """What records a task."""

    profilers: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """By profiler; those under `*` are for whichever has one of that name."""
    reason: str = ""
    """What chose: `conf`, `request`, `decorator` or `rule`."""
    labels: Mapping[str, str] = MappingProxyType({})
    """What the recording is to be found by, beside what is known of its task."""


def select(run: TaskRun, settings: AirflowSettings) -> Selection | None:
    """Return what is to record this task, None for nothing."""
    for problem in settings.problems:
        log.warning("profilerkit: %s", problem)
    facts = facts_of(run)
    return (
        _from_conf(run, settings)
        or _from_request(facts, settings)
        or _from_decorator(run)
        or _from_rules(facts, settings)
    )


def facts_of(run: TaskRun) -> TaskFacts:
    """Return what rules look at of a task that runs."""
    facts = facts_of_task(run.task)
    return facts._replace(dag=run.dag_id, task=run.task_id, run=run.run_id, try_number=run.try_number)


def facts_of_task(task: Any) -> TaskFacts:
    """Return what rules look at of a task in its DAG, mapped or not."""
    dag = getattr(task, "dag", None)
    return TaskFacts(
        dag=str(getattr(dag, "dag_id", "")),
        task=str(task.task_id),
        tags=tuple(map(str, getattr(dag, "tags", None) or ())),
        owner=str(getattr(task, "owner", "") or ""),
        queue=str(getattr(task, "queue", "") or ""),
        pool=str(getattr(task, "pool", "") or ""),
        operator=str(getattr(task, "operator_name", None) or getattr(task, "task_type", "") or ""),
    )


def _from_conf(run: TaskRun, settings: AirflowSettings) -> Selection | None:
    conf = getattr(run.context.get("dag_run"), "conf", None)
    wanted = conf.get(SECTION) if isinstance(conf, Mapping) else None
    if not wanted or not settings.on_demand:
        return None
    from fnmatch import fnmatchcase

    try:
        if not isinstance(wanted, Mapping):
            raise ValueError(f"it is a table, not {wanted!r}")
        tasks = texts("tasks", wanted.get("tasks", "*"))
        names = texts("profilers", wanted.get("profilers"))
        options = parse_options(wanted.get("options", {}))
    except (ValueError, TypeError) as error:
        log.warning("profilerkit: %r of the run's conf is passed over: %s", SECTION, error)
        return None
    if not any(fnmatchcase(run.task_id, each) for each in tasks):
        return None
    return _allowed(Selection(names, options, "conf"), settings)


def _from_request(facts: TaskFacts, settings: AirflowSettings) -> Selection | None:
    if not settings.on_demand:
        return None
    try:
        request = _find_request(facts)
    except Exception as error:  # noqa: BLE001 - the task goes on, and other choices hold
        log.warning("profilerkit: requests could not be looked up: %s", describe(error))
        return None
    if request is None:
        return None
    labels = {"request": request.id, "requested_by": request.by}
    chosen = Selection(tuple(request.profilers), request.options, "request", labels)
    return _allowed(chosen, settings)


def _find_request(facts: TaskFacts) -> Any:
    """Return the first request for this task that has runs left, and count this run for it."""
    from profilerkit_airflow import requests

    now = datetime.now(timezone.utc)
    for each in requests.read_requests(compat.read_variable(requests.VARIABLE)):
        if not each.holds(dag_id=facts.dag, task_id=facts.task, run_id=facts.run, now=now):
            continue
        key = requests.usage_key(each.id)
        counted = each.run_id is None and each.runs is not None
        used = compat.read_variable(key) if counted else None
        admitted, new_usage = requests.admit(each, facts.run, used)
        if new_usage is not None:
            with contextlib.suppress(Exception):  # rather one run too many than none
                compat.write_variable(key, new_usage)
        if admitted:
            return each
    return None


def _allowed(chosen: Selection, settings: AirflowSettings) -> Selection | None:
    """Return the choice without the profilers that may not be asked for."""
    refused = [each for each in chosen.profilers if each not in settings.on_demand]
    if refused:
        log.warning("profilerkit: %s may not be asked for (on_demand)", ", ".join(refused))
    names = tuple(each for each in chosen.profilers if each not in refused)
    return chosen._replace(profilers=names) if names else None


def _from_decorator(run: TaskRun) -> Selection | None:
    dag = getattr(run.task, "dag", None)
    original = getattr(dag, "task_dict", {}).get(run.task_id)
    wanted = find_wanted(run.task, original)
    if wanted is None:
        return None
    return Selection(tuple(wanted["profilers"]), wanted["options"], "decorator")


def _from_rules(facts: TaskFacts, settings: AirflowSettings) -> Selection | None:
    rule = first_match(settings.rules, facts)
    return None if rule is None else Selection(rule.profilers, rule.options, "rule")
