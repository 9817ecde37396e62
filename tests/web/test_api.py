"""The API keeps to what its OpenAPI promises, whatever is asked."""

from __future__ import annotations

import html
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from profilerkit.model import EventKind, Subject
from tests.store.samples import ODD, a_recording
from tests.web.site import HeaderAccess, Place, until_made
from tests.web.test_third_parties import BEATS, FUNCTIONS, stacks

START = datetime(2026, 11, 1, tzinfo=timezone.utc)


def runs(place: Place, peaks: list[float], name: str = "etl.py") -> list[Any]:
    """Store a run an hour of one script with these peaks in MiB."""
    return [
        place.put(
            subject=Subject("script", {"name": name}),
            started_at=START + timedelta(hours=number),
            summary={"peak_rss_bytes": peak * (1 << 20), "cpu_seconds": 1.0},
        )
        for number, peak in enumerate(peaks)
    ]


def test_recordings_are_searched_sorted_and_paged(place: Place) -> None:
    """Pages follow each other without gaps."""
    runs(place, [3.0, 1.0, 2.0])
    client = place.client()
    seen, after = [], None
    while True:
        query = {"sort": "peak_rss_bytes", "limit": "1", **({"after": after} if after else {})}
        page = client.get("/api/v1/recordings", params=query).json()
        seen += [each["summary"]["peak_rss_bytes"] / (1 << 20) for each in page["recordings"]]
        after = page["next"]
        if after is None:
            break
    assert seen == [3.0, 2.0, 1.0]
    assert client.get("/api/v1/recordings", params={"q": "peak>2.5MiB"}).json()["total"] == 1
    assert client.get("/api/v1/recordings", params={"q": "outcome:odd"}).status_code == 400
    assert client.get("/api/v1/recordings", params={"after": "odd"}).status_code == 400


def test_ranking_regressions_and_trend_tell_the_same(place: Place) -> None:
    """A subject that grew is ranked, told as worse, and its last point is the highest."""
    found = runs(place, [10.0] * 6 + [40.0])
    client = place.client()
    ranked = client.get("/api/v1/ranking").json()["subjects"]
    assert [(each["kind"], each["value"]) for each in ranked] == [("script", 40 * (1 << 20))]
    worse = client.get("/api/v1/regressions").json()["regressions"]
    assert [("peak_rss_bytes", 3.0, found[-1].id)] == [
        (each["measure"], each["ratio"], each["recording_id"]) for each in worse
    ]
    points = client.get("/api/v1/trend?kind=script&name=etl.py").json()["points"]
    assert [each.id for each in found] == [each["id"] for each in points]
    assert [each["outlier"] for each in points] == [False] * 6 + [True]
    page = client.get("/").text
    assert "+300%" in page
    assert client.get("/api/v1/trend?kind=script&name=no").status_code == 404


def test_whole_recordings_name_their_reports(neighbours: Place) -> None:
    """With addresses that answer."""
    found = neighbours.put_captures(calls=FUNCTIONS, beats=BEATS)
    client = neighbours.client()
    until_made(client, f"/api/v1/recordings/{found.id}/hot")
    whole = client.get(f"/api/v1/recordings/{found.id}").json()
    assert whole["reading"]["state"] == "ready"
    assert "calls.hot" in [each["name"] for each in whole["reports"]]
    for report in whole["reports"][:2]:
        assert client.get(report["state_url"]).status_code == 200
    raw = whole["captures"][0]["files"][0]["url"]
    assert client.get(raw).status_code == 200
    tables = client.get(f"/api/v1/recordings/{found.id}/hot").json()
    assert tables[0]["own"]["function"] == [
        {"function": "load", "file": "etl.py", "line": 3, "self": 2.0, "total": 5.0, "own": True}
    ]


def test_the_api_is_filtered_like_the_pages(place: Place) -> None:
    """What may not be seen is in no answer."""
    mine = place.put(subject=Subject("task", {"dag_id": "mine", "task_id": "load"}))
    theirs = place.put(subject=Subject("task", {"dag_id": "theirs", "task_id": "secret"}))
    client = place.client(HeaderAccess())
    client.headers["x-dags"] = "mine"
    assert client.get("/api/v1/recordings").json()["total"] == 1
    for path in (
        f"/recordings/{theirs.id}",
        f"/recordings/{theirs.id}/timelines",
        f"/recordings/{theirs.id}/hot",
        f"/recordings/{theirs.id}/flamegraph?profiler=memray",
        f"/recordings/{theirs.id}/reports/memray.flamegraph",
        f"/compare?a={mine.id}&b={theirs.id}",
        f"/compare/flamegraph?a={theirs.id}&b={mine.id}&profiler=cpu",
        "/trend?kind=task&dag_id=theirs&task_id=secret",
    ):
        assert (path, 404) == (path, client.get(f"/api/v1{path}").status_code)
    assert "secret" not in client.get("/api/v1/ranking").text
    assert client.get(f"/recordings/{theirs.id}/raw/memray/0").status_code == 404
    assert client.get(f"/recordings/{theirs.id}/reports/memray.flamegraph/file").status_code == 404


@pytest.mark.slow
def test_no_question_breaks_the_api(neighbours: Place) -> None:
    """Questions of any kind, made from the OpenAPI, have answers that fit it, and never a 500."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, settings

    runs(neighbours, [1.0, 2.0, 3.0, 9.0])
    neighbours.archive.publish(a_recording(labels={ODD: ODD}, parent_id=None), EventKind.FINAL)
    found = neighbours.put_captures(calls=FUNCTIONS, steps=stacks())
    app = neighbours.app()
    client = neighbours.client()
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers={"Host": "localhost"})
    checks = schemathesis.checks
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) > 10

    asked = 0
    for operation in operations:

        @settings(
            max_examples=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            if "recording_id" in case.path_parameters and len(case.path_parameters["recording_id"]) % 2:
                case.path_parameters["recording_id"] = found.id
            answer = case.call(base_url="http://localhost", headers={"Host": "localhost"})
            case.validate_response(
                answer,
                checks=[
                    checks.not_a_server_error,
                    checks.response_schema_conformance,
                    checks.content_type_conformance,
                    checks.status_code_conformance,
                ],
            )

        from hypothesis import given

        given(case=operation.as_strategy())(ask)()
    assert asked > 10 * len(operations)


def test_all_recordings_of_a_trend_are_found(place: Place) -> None:
    """The page's link searches for what the names say, whatever is in them."""
    names = {"dag_id": 'a "b"*[c]', "task_id": "load"}
    found = place.put(subject=Subject("task", {**names, "run_id": "r"}))
    place.put(subject=Subject("task", {**names, "dag_id": "other"}))
    client = place.client()
    page = client.get("/trend", params={"kind": "task", **names})
    assert page.status_code == 200
    link = page.text.partition('<div class="acts"><a class="btn" href="')[2].partition('"')[0]
    rows = client.get(html.unescape(link)).text
    assert rows.count("data-pick=") == 1
    assert found.id in rows
