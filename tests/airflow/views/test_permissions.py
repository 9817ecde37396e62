"""Everybody, every route, every kind of subject, in a real Airflow: who may see what, and nothing else."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import httpx
import pytest

from tests.airflow.support import list_routes
from tests.airflow.support.served import (
    ANONYMOUS,
    BAD_TOKEN,
    CLOSED,
    GONE,
    OPEN,
    RUN,
    SIGNED_IN,
    Served,
)
from tests.airflow.views import rules

ABSENT = str(uuid.UUID(int=7))
REFUSED = {302, 401, 403}
HIDDEN_NAMES = {OPEN: rules.OPEN_TASKS, CLOSED: rules.CLOSED_TASKS, GONE: frozenset[str]()}


@pytest.fixture(scope="module")
def routes(airflow: Served) -> set[tuple[str, str]]:
    """Return every route of the app as this Airflow has it."""
    told = airflow.airflow.run_python(Path(list_routes.__file__))
    return {(method, path) for method, path in json.loads(told.strip().splitlines()[-1]) if method != "HEAD"}


def visible(airflow: Served, who: str) -> frozenset[str]:
    """Return the names of the recordings that somebody may see."""
    found = rules.SEES[who]
    return frozenset(airflow.ids) if found is None else found


def signed_in(airflow: Served, who: str) -> httpx.Client:
    """Return somebody's session, which sends the token of our pages with every request, as scripts do."""
    client = airflow.client(who)
    page = client.get("/profilerkit/requests").text
    token = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert token is not None
    client.headers["X-CSRFToken"] = token.group(1)
    return client


def test_every_route_has_a_rule(routes: set[tuple[str, str]]) -> None:
    """A route that is added without being thought of fails here."""
    assert routes == rules.ALL


@pytest.mark.parametrize("who", [ANONYMOUS, BAD_TOKEN])
def test_whom_airflow_does_not_know_gets_nothing(
    airflow: Served, routes: set[tuple[str, str]], who: str
) -> None:
    """No page, no answer of the API, not even whether a recording is there."""
    client = airflow.client(who)
    wrong = []
    for method, path in sorted(routes):
        # Airflow 2 looks at the token of a form before anything else.
        refused = REFUSED | ({400} if method == "POST" else set())
        for recording_id in (airflow.ids["task_open"], ABSENT):
            found = client.request(method, rules.fill(path, recording_id))
            if found.status_code not in refused or leaked(airflow, found, frozenset(), recording_id):
                wrong.append((method, path, found.status_code))
    assert wrong == []


@pytest.mark.parametrize("who", SIGNED_IN)
def test_a_recording_is_there_for_who_may_see_it(
    airflow: Served, routes: set[tuple[str, str]], who: str
) -> None:
    """For all others each route answers as if it had never been."""
    client, sees = signed_in(airflow, who), visible(airflow, who)
    wrong = []
    for method, path in sorted(routes & rules.OF_A_RECORDING):
        absent = client.request(method, rules.fill(path, ABSENT))
        assert absent.status_code == 404
        for name, recording_id in airflow.ids.items():
            found = client.request(method, rules.fill(path, recording_id))
            same = found.status_code == 404 and plain(found, recording_id) == plain(absent, ABSENT)
            if same == (name in sees):
                wrong.append((method, path, name, found.status_code))
    assert wrong == []


@pytest.mark.parametrize("who", SIGNED_IN)
def test_nothing_else_shows_in_lists_counts_and_rankings(
    airflow: Served, routes: set[tuple[str, str]], who: str
) -> None:
    """Whatever is sorted, ranked, searched or counted, is of what may be seen."""
    client, sees = airflow.client(who), visible(airflow, who)
    asked = {
        "/": (
            "",
            "?sort=peak&order=asc",
            "?rank=cpu",
            "?rank=duration",
            "?q=kind:task",
            "?q=try:2",
            "?since=1d",
        ),
        "/api/v1/recordings": ("", "?q=status:complete", "?limit=100", "?q=kind:script"),
        "/api/v1/ranking": ("", "?measure=cpu_seconds", "?measure=duration_seconds"),
        "/api/v1/regressions": ("",),
        "/requests": ("",),
    }
    assert {path for _, path in rules.OF_MANY} == set(asked)
    for path, queries in asked.items():
        for query in queries:
            found = client.get(f"/profilerkit{path}{query}")
            assert (found.status_code, leaked(airflow, found, sees)) == (200, []), (path, query)
    listed = client.get("/profilerkit/api/v1/recordings?limit=100").json()
    assert sorted(airflow.ids[name] for name in sees) == sorted(each["id"] for each in listed["recordings"])
    assert len(sees) == listed["total"]


@pytest.mark.parametrize("who", SIGNED_IN)
def test_searching_finds_nothing_that_may_not_be_seen(airflow: Served, who: str) -> None:
    """Also not by its id, its label or its name; the answer is that of a search for nothing."""
    client, sees = airflow.client(who), visible(airflow, who)
    for name, recording_id in airflow.ids.items():
        found = client.get("/profilerkit/api/v1/recordings", params={"q": f"id:{recording_id}"}).json()
        assert int(name in sees) == found["total"], name
    for dag_id, label in ((OPEN, "open"), (CLOSED, "closed"), (GONE, "gone")):
        query = {"q": f"dag:{dag_id} kind:task"}
        found = client.get("/profilerkit/api/v1/recordings", params=query).json()
        assert len({f"task_{label}", f"retry_{label}"} & sees) == found["total"], dag_id


@pytest.mark.parametrize("who", SIGNED_IN)
def test_comparing_needs_both(airflow: Served, who: str) -> None:
    """A recording that one may not see cannot be compared with one's own."""
    client, sees = airflow.client(who), visible(airflow, who)
    for path in ("/compare", "/api/v1/compare", "/api/v1/compare/flamegraph"):
        for a, b in (("task_open", "task_closed"), ("task_closed", "task_open"), ("task_open", "retry_open")):
            query = {"a": airflow.ids[a], "b": airflow.ids[b], "profiler": "cpu"}
            found = client.get(f"/profilerkit{path}", params=query)
            assert ({a, b} <= sees) == (found.status_code in (200, 202)), (path, a, b, found.status_code)
            assert leaked(airflow, found, sees | {a, b}) == [], (path, a, b)


@pytest.mark.parametrize("who", SIGNED_IN)
def test_a_series_that_may_not_be_seen_has_no_runs(airflow: Served, who: str) -> None:
    """Its trend is that of a task that never ran."""
    client, sees = airflow.client(who), visible(airflow, who)
    for dag_id, name in ((OPEN, "task_open"), (CLOSED, "task_closed"), (GONE, "task_gone")):
        query = {"kind": "task", "dag_id": dag_id, "task_id": "load"}
        points = client.get("/profilerkit/api/v1/trend", params=query)
        shown = points.json().get("points", []) if points.status_code == 200 else []
        assert (name in sees) == bool(shown), dag_id
        page = client.get("/profilerkit/trend", params=query)
        assert leaked(airflow, page, sees, dag_id) == []


@pytest.mark.parametrize("who", SIGNED_IN)
def test_a_task_has_a_page_for_who_may_see_its_dag(airflow: Served, who: str) -> None:
    """A DAG that one may not read is none, whether Airflow has it or not."""
    client, sees = airflow.client(who), visible(airflow, who)
    for dag_id, name in ((OPEN, "task_open"), (CLOSED, "task_closed"), (GONE, "task_gone")):
        query = {"dag_id": dag_id, "task_id": "load", "run_id": RUN, "map_index": "{MAP_INDEX}"}
        found = client.get("/profilerkit/task", params=query)
        assert (200 if name in sees else 404) == found.status_code, dag_id
        assert leaked(airflow, found, sees, dag_id) == []
        listed = client.get("/profilerkit/dag", params={"dag_id": dag_id}, follow_redirects=True)
        assert (listed.status_code, leaked(airflow, listed, sees, dag_id)) == (200, [])


@pytest.mark.parametrize("who", SIGNED_IN)
def test_the_setup_is_for_administrators(airflow: Served, who: str) -> None:
    """Rules and settings name DAGs and places."""
    found = airflow.client(who).get("/profilerkit/setup")
    assert (200 if rules.SEES[who] is None else 403) == found.status_code


def test_our_own_files_are_for_everybody_who_is_signed_in(airflow: Served) -> None:
    """They hold nothing of anybody; there are no pages of the API's documentation."""
    nobody, admin = airflow.client("nobody"), airflow.client("admin")
    page = admin.get("/profilerkit/").text
    addresses = set(re.findall(r'(?:href|src)="([^"]+/static/[^"#]+)"', page))
    assert addresses
    for address in addresses:
        assert (200, admin.get(address).content) == (
            nobody.get(address).status_code,
            nobody.get(address).content,
        )
        assert airflow.client(ANONYMOUS).get(address).status_code in REFUSED
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert admin.get(f"/profilerkit{path}").status_code == 404


def plain(answer: httpx.Response, recording_id: str) -> str:
    """Return an answer without what differs from request to request."""
    text = answer.text.replace(recording_id, "ID")
    return re.sub(r'name="csrf[-_]token" (content|value)="[^"]*"|datetime="[^"]*"|>[^<]*UTC<', "", text)


def leaked(
    airflow: Served, answer: httpx.Response, sees: frozenset[str] | set[str], *asked: str
) -> list[str]:
    """Return what an answer tells of recordings that may not be seen; what was asked for may come back."""
    hidden = [each for name, each in airflow.ids.items() if name not in sees]
    hidden += [dag_id for dag_id, names in HIDDEN_NAMES.items() if not names & sees]
    if "task_gone" in sees:
        hidden.remove(GONE)
    return [each for each in hidden if each not in asked and each in answer.text]
