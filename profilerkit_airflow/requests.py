"""Say what a request for profiling is, and whether it holds for a task that is about to run.

The web page writes all requests into one Variable, which a task reads once. How many runs a request
has had is another Variable, which only tasks write: neither side ever overwrites what the other wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import asdict, field, fields, frozen

VARIABLE = "profilerkit_requests"
ANY_TASK = "*"
FORMAT = 1


def _time(value: object) -> datetime:
    found = (
        value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    )
    if found.tzinfo is None:
        raise ValueError(f"a time of a request has an offset, {value!r} has none")
    return found


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value)


@frozen(kw_only=True)
class Request:
    """What somebody asked for: to have the next runs of a task profiled, or one run again."""

    id: str
    dag_id: str
    task_id: str
    """One task's id, or `*` for all tasks of the DAG."""
    profilers: tuple[str, ...] = field(converter=_names)
    options: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    """By profiler."""
    runs: int | None = None
    """How many runs of the DAG; None is as many as start in time."""
    run_id: str | None = None
    """The one run that is asked for; then `runs` means nothing."""
    map_index: int | None = None
    """The one map index that was cleared; it tells people, and chooses nothing."""
    since: datetime = field(converter=_time)
    until: datetime = field(converter=_time)
    """It holds from `since` up to, and not at, `until`."""
    by: str
    """The name of who asked."""

    def holds(self, *, dag_id: str, task_id: str, run_id: str, now: datetime) -> bool:
        """Tell whether a task is what was asked for; its runs are not counted here."""
        return (
            self.dag_id == dag_id
            and self.task_id in (ANY_TASK, task_id)
            and self.run_id in (None, run_id)
            and self.since <= now < self.until
        )


def usage_key(request_id: str) -> str:
    """Return the Variable in which tasks count the runs of a request."""
    return f"profilerkit_request_{request_id}"


def read_requests(text: str | None) -> tuple[Request, ...]:
    """Return the requests in a Variable's text; what cannot be read is left out."""
    try:
        entries = json.loads(text) if text else []
    except ValueError:
        return ()
    found = (_read(each) for each in entries) if isinstance(entries, list) else ()
    return tuple(each for each in found if each is not None)


def _read(entry: Any) -> Request | None:
    known = {name: entry[name] for name in _FIELDS if name in entry} if isinstance(entry, dict) else {}
    try:
        return Request(**known) if entry.get("format", FORMAT) <= FORMAT else None
    except (TypeError, ValueError, AttributeError):
        return None


_FIELDS = frozenset(each.name for each in fields(Request))


def write_requests(requests: Iterable[Request]) -> str:
    """Return requests as the text of the Variable."""
    return json.dumps([{**asdict(each, value_serializer=_text), "format": FORMAT} for each in requests])


def _text(_instance: object, _attribute: object, value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def read_usage(text: str | None) -> tuple[str, ...]:
    """Return the ids of the runs that a request has been used for."""
    try:
        runs = json.loads(text)["runs"] if text else []
        return tuple(str(each) for each in runs)
    except (ValueError, TypeError, KeyError):
        return ()


def admit(request: Request, run_id: str, usage: str | None) -> tuple[bool, str | None]:
    """Tell whether a run is among those of a request, and what to write into its usage, if anything.

    Tries, map indexes and segments of one run count once. Two tasks that start at the same moment can
    both be the last: a run more than was asked for, never one less.
    """
    if request.run_id is not None or request.runs is None:
        return True, None
    used = read_usage(usage)
    if run_id in used:
        return True, None
    if len(used) >= request.runs:
        return False, None
    return True, json.dumps({"runs": [*used, run_id]})
