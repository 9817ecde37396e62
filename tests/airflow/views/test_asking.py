"""Ask for profiles in a real Airflow: who may, what is refused, how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.airflow.support.served import ANONYMOUS, BAD_TOKEN, CLOSED, OPEN, SIGNED_IN, Served

EDITORS = {OPEN: {"editor_of_one", "operator", "admin"}, CLOSED: {"operator", "admin"}}
SEERS = {
    OPEN: set(SIGNED_IN) - {"without_task_instances", "nobody"},
    CLOSED: {"viewer_of_all", "operator", "admin"},
}


@pytest.fixture(autouse=True)
def _no_request_stays(airflow: Served) -> Iterator[None]:
    yield
    admin = airflow.client("admin")
    for each in re.findall(r"/requests/([0-9a-f]{12})/cancel", admin.get("/profilerkit/requests").text):
        send(admin, f"/requests/{each}/cancel", {})


def token_of(client: httpx.Client) -> str:
    """Return the token that every form of a page carries."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/profilerkit/requests").text)
    return found.group(1) if found else ""


def send(client: httpx.Client, path: str, form: dict[str, Any], token: str | None = None) -> httpx.Response:
    """Send a form as a page of ours does."""
    given = token_of(client) if token is None else token
    return client.post(f"/profilerkit{path}", data={"csrf_token": given, **form})


def form(dag_id: str = OPEN, **changes: Any) -> dict[str, Any]:
    """Return what somebody fills in: two runs of one task with two profilers, for an hour."""
    usual = {"dag_id": dag_id, "task_id": "load", "profiler": ["memray", "cpu"], "runs": "2", "until": "1h"}
    return {**usual, **changes}


@pytest.mark.parametrize("who", [*SIGNED_IN, ANONYMOUS, BAD_TOKEN])
@pytest.mark.parametrize("dag_id", [OPEN, CLOSED])
def test_asking_needs_the_right_to_edit_the_dag(airflow: Served, who: str, dag_id: str) -> None:
    """Who may not see the DAG is told that there is none; who may only see it, that they may not."""
    client = airflow.client(who)
    found = send(client, "/requests", form(dag_id))
    if who in (ANONYMOUS, BAD_TOKEN):
        assert found.status_code in (302, 400, 401, 403)
    elif who in EDITORS[dag_id]:
        assert found.status_code == 303
        assert "next 2 runs" in client.get(found.headers["location"]).text
    else:
        assert (403 if who in SEERS[dag_id] else 404) == found.status_code
    expected = int(who in EDITORS[dag_id])
    assert expected == airflow.client("admin").get("/profilerkit/requests").text.count(f'title="{dag_id}"')


@pytest.mark.parametrize("who", SIGNED_IN)
def test_requests_are_seen_with_their_dag_and_ended_by_its_editors(airflow: Served, who: str) -> None:
    """The page shows who asked; a request for a DAG that one may not see is none."""
    admin, client = airflow.client("admin"), airflow.client(who)
    asked = {}
    for dag_id in (OPEN, CLOSED):
        made = send(admin, "/requests", form(dag_id))
        asked[dag_id] = made.headers["location"].rpartition("asked=")[2]
    page = client.get("/profilerkit/requests").text
    for dag_id, request_id in asked.items():
        assert (who in SEERS[dag_id]) == (dag_id in page)
        assert (who in EDITORS[dag_id]) == (f"/requests/{request_id}/cancel" in page)
        expected = 303 if who in EDITORS[dag_id] else 403 if who in SEERS[dag_id] else 404
        assert expected == send(client, f"/requests/{request_id}/cancel", {}).status_code


def test_a_form_of_another_site_or_person_changes_nothing(airflow: Served) -> None:
    """The token is needed, made for one person, and cannot be made up."""
    editor, admin = airflow.client("editor_of_one"), airflow.client("admin")
    for token in ("", "x", token_of(admin)):
        found = send(editor, "/requests", form(), token)
        assert found.status_code in (400, 403), token
    assert "/cancel" not in admin.get("/profilerkit/requests").text


@pytest.mark.parametrize(
    "changes",
    [
        {"task_id": "no_such_task"},
        {"profiler": "no_such_profiler"},
        {"profiler": []},
        {"runs": "0"},
        {"runs": "1001"},
        {"runs": "many"},
        {"until": "99y"},
        {"until": ""},
        {"dag_id": ""},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_told_in_words(airflow: Served, changes: dict[str, Any]) -> None:
    """It is refused as a whole."""
    client = airflow.client("admin")
    found = send(client, "/requests", form(**changes))
    assert found.status_code == 400
    assert "That cannot be asked" in found.text
    assert "/cancel" not in client.get("/profilerkit/requests").text


def test_tasks_find_what_was_asked_in_one_variable(airflow: Served) -> None:
    """The page writes what `profilerkit_airflow.requests` reads, with who asked; ending it empties it."""
    client = airflow.client("editor_of_one")
    made = send(client, "/requests", form())
    stored = json.loads(
        airflow.airflow.run("variables", "get", "profilerkit_requests").strip().splitlines()[-1]
    )
    assert len(stored) == 1
    assert [stored[0][each] for each in ("dag_id", "task_id", "profilers", "runs")] == [
        OPEN,
        "load",
        ["memray", "cpu"],
        2,
    ]
    assert "Person" in stored[0]["by"] or "editor_of_one" in stored[0]["by"]
    request_id = made.headers["location"].rpartition("asked=")[2]
    assert send(client, f"/requests/{request_id}/cancel", {}).status_code == 303
    assert airflow.airflow.run("variables", "get", "profilerkit_requests").strip().splitlines()[-1] == "[]"


def test_clearing_a_run_that_is_not_there_asks_for_nothing(airflow: Served) -> None:
    """The request is taken back."""
    client = airflow.client("editor_of_one")
    found = send(client, "/requests/clear", form(run_id="no_such_run"))
    assert found.status_code == 404
    assert "/cancel" not in client.get("/profilerkit/requests").text
