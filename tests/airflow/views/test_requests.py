"""What a request is, when it holds, and how runs are counted: values alone, no Airflow."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from profilerkit_airflow.requests import Request, admit, read_requests, read_usage, write_requests

NOW = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


def request(**changes: Any) -> Request:
    """Return a request for three runs of one task, for an hour from NOW."""
    usual = {
        "id": "ab12",
        "dag_id": "etl",
        "task_id": "load",
        "profilers": ("memray",),
        "runs": 3,
        "since": NOW,
        "until": NOW + timedelta(hours=1),
        "by": "ada",
    }
    return Request(**{**usual, **changes})


def holds(asked: Request, **changes: Any) -> bool:
    """Ask whether it holds for the task that it is about, or for another."""
    usual = {"dag_id": "etl", "task_id": "load", "run_id": "r1", "now": NOW}
    return asked.holds(**{**usual, **changes})


def test_it_holds_from_its_beginning_up_to_its_end_and_not_at_it() -> None:
    """The expiry is exact."""
    moments = (-1, 0, 3599, 3600)
    assert [holds(request(), now=NOW + timedelta(seconds=each)) for each in moments] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("asked", "task", "expected"),
    [
        ({}, {"task_id": "extract"}, False),
        ({}, {"dag_id": "other"}, False),
        ({"task_id": "*"}, {"task_id": "extract"}, True),
        ({"task_id": "*"}, {"dag_id": "other"}, False),
        ({"run_id": "r1"}, {}, True),
        ({"run_id": "r1"}, {"run_id": "r2"}, False),
        ({"task_id": "lo*"}, {}, False),
    ],
)
def test_it_holds_for_what_was_asked_for_alone(
    asked: dict[str, Any], task: dict[str, Any], expected: bool
) -> None:
    """One task, all tasks of a DAG, one run; ids are no globs."""
    assert expected == holds(request(**asked), **task)


def test_runs_are_counted_and_tries_of_one_run_are_one() -> None:
    """Three runs are admitted, each as often as its tasks and tries come; the fourth is not."""
    usage: str | None = None
    admitted = []
    for run_id in ("r1", "r1", "r2", "r2", "r3", "r1", "r4", "r2"):
        is_in, new = admit(request(), run_id, usage)
        admitted.append(is_in)
        usage = new or usage
    assert admitted == [True, True, True, True, True, True, False, True]
    assert read_usage(usage) == ("r1", "r2", "r3")


def test_a_run_that_is_asked_for_is_not_counted() -> None:
    """Nothing is written for `clear and profile`, nor for a request without a number of runs."""
    assert admit(request(run_id="r1", runs=None), "r1", None) == (True, None)
    assert admit(request(runs=None), "r1", None) == (True, None)


def test_requests_cross_the_variable_unchanged() -> None:
    """What is written is read, options and all."""
    asked = (
        request(options={"memray": {"native": True}}),
        request(id="cd34", runs=None, run_id="r1", map_index=2),
    )
    assert asked == read_requests(write_requests(asked))


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", "null", '[1, null, {"id": "x"}]', '{"a": 1}'])
def test_what_cannot_be_read_is_no_request(text: str | None) -> None:
    """A Variable that somebody edited by hand never stops a task."""
    assert read_requests(text) == ()


def test_one_bad_request_takes_no_other_with_it() -> None:
    """Neither does one of a newer format."""
    good = json.loads(write_requests([request()]))
    newer = {**good[0], "format": 2}
    naive = {**good[0], "until": "2026-11-01T13:00:00"}
    assert (request(),) == read_requests(json.dumps([newer, naive, *good, "x"]))
    assert () == read_usage("[1]") == read_usage("{")
