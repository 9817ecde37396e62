"""Keep what people asked for in Airflow's Variables; only the web server writes there.

A Variable is the one place that a task of every executor can read without the database, and that
Airflow already protects, encrypts and backs up.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone

from attrs import frozen

from profilerkit.errors import UsageError
from profilerkit_airflow import metadata
from profilerkit_airflow.requests import (
    VARIABLE,
    Request,
    read_requests,
    read_usage,
    usage_key,
    write_requests,
)

MOST_REQUESTS = 200
"""At once: every task that is not asked for reads them all."""
MOST_RUNS = 1000
LONGEST = timedelta(days=30)
DESCRIPTION = "What profilerkit was asked to profile; made and ended on its page Requests."


@frozen
class Standing:
    """A request, and how far it is."""

    request: Request
    used: tuple[str, ...]
    """The runs that it has been used for; tasks that start at the same moment may have added one too many."""


def make_request(
    dag_id: str,
    task_id: str,
    *,
    profilers: Iterable[str],
    by: str,
    lasts: timedelta,
    runs: int | None = None,
    run_id: str | None = None,
    map_index: int | None = None,
) -> Request:
    """Return a new request that begins now. Raises UsageError for what cannot be asked."""
    chosen = tuple(profilers)
    if not chosen:
        raise UsageError("No profiler was chosen.", "Choose at least one.")
    if runs is not None and not 1 <= runs <= MOST_RUNS:
        raise UsageError(f"The number of runs is from 1 to {MOST_RUNS}, not {runs}.")
    if not timedelta(0) < lasts <= LONGEST:
        raise UsageError(f"A request lasts at most {LONGEST.days} days.")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    return Request(
        id=secrets.token_hex(6),
        dag_id=dag_id,
        task_id=task_id,
        profilers=chosen,
        runs=runs,
        run_id=run_id,
        map_index=map_index,
        since=now,
        until=now + lasts,
        by=by,
    )


def add(request: Request) -> None:
    """Have tasks find a request from now on. Raises UsageError when there are too many."""

    def change(found: tuple[Request, ...]) -> tuple[Request, ...]:
        if len(found) >= MOST_REQUESTS:
            raise UsageError(
                f"There are {len(found)} requests already.", "Cancel some, or wait until they end."
            )
        # The newest first: what was asked last is what somebody is waiting for.
        return (request, *found)

    _change(change)


def cancel(request_id: str) -> None:
    """End a request now; runs that have begun are not affected."""
    _change(lambda found: tuple(each for each in found if each.id != request_id))
    metadata.delete_variables([usage_key(request_id)])


def standing(now: datetime | None = None) -> list[Standing]:
    """Return the requests that hold, and forget those that have ended."""
    found = read_requests(metadata.read_variable(VARIABLE))
    now = now or datetime.now(timezone.utc)
    counted = [Standing(each, read_usage(metadata.read_variable(usage_key(each.id)))) for each in found]
    ended = {each.request.id for each in counted if has_ended(each, now)}
    if ended:
        _change(lambda kept: tuple(each for each in kept if each.id not in ended))
        metadata.delete_variables([usage_key(each) for each in ended])
    return [each for each in counted if each.request.id not in ended]


def has_ended(standing: Standing, now: datetime) -> bool:
    """Tell whether nothing more will come of a request: its time is over, or all its runs are."""
    request = standing.request
    if now >= request.until:
        return True
    if request.run_id is not None:
        ended = metadata.ended_at(
            request.dag_id,
            request.run_id,
            request.task_id,
            -1 if request.map_index is None else request.map_index,
        )
        return ended is not None and ended > request.since
    if request.runs is None or len(standing.used) < request.runs:
        return False
    return metadata.runs_are_over(request.dag_id, standing.used)


def _change(change: Callable[[tuple[Request, ...]], tuple[Request, ...]]) -> None:
    metadata.change_variable(
        VARIABLE, lambda text: write_requests(change(read_requests(text))), description=DESCRIPTION
    )
