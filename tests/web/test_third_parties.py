"""A backend and a page that others install are there with no change of ours."""

from __future__ import annotations

import attrs
import pytest

from profilerkit.reading import Frame, FunctionStat, Metric, Reading, StackBuilder, Timeline
from tests.web.site import HeaderAccess, Place, until_made

FUNCTIONS = Reading(
    functions=(
        FunctionStat(Frame("load", "etl.py", 3, "own"), 2.0, 5.0, 7),
        FunctionStat(Frame("parse", "lib.py", 9, "site-packages"), 3.0, 3.0, 70),
    ),
    functions_metric=Metric("ticks", "count"),
)
BEATS = Reading(timelines=(Timeline("pulse", "count", [0.0, 1.0], [60.0, 80.0]),))


def stacks(more: float = 0.0) -> Reading:
    """Return a reading with stacks."""
    builder = StackBuilder((Metric("steps", "count"),), {"own": "/srv"})
    builder.add([("main", "/srv/etl.py", 1), ("walk", "/srv/etl.py", 5)], [10.0 + more])
    return Reading(stacks=builder.build())


def test_each_kind_of_backend_has_its_place(neighbours: Place) -> None:
    """Tab, flame graph or table, timeline and search, of functions alone, of stacks, of numbers alone."""
    found = neighbours.put_captures(calls=FUNCTIONS, beats=BEATS, steps=stacks())
    client = neighbours.client()
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    page = client.get(f"/recordings/{found.id}").text
    for words in (">calls<", ">beats<", ">steps<", "flamegraph?profiler=steps", "pk-timelines"):
        assert words in page
    table = client.get(f"/recordings/{found.id}?tab=hot&profiler=calls").text
    for words in ("load", "parse"):
        assert words in table
    assert "etl.py:3" in table
    lines = until_made(client, f"/api/v1/recordings/{found.id}/timelines").json()["series"]
    assert [(each["profiler"], each["name"], each["values"]) for each in lines] == [
        ("beats", "pulse", [60, 80])
    ]
    flame = until_made(client, f"/api/v1/recordings/{found.id}/flamegraph?profiler=steps").json()
    assert flame["frames"]["function"] == ["main", "walk"]
    assert until_made(client, f"/api/v1/recordings/{found.id}/flamegraph?profiler=calls").status_code == 422
    reports = client.get(f"/recordings/{found.id}?tab=calls.page").text
    assert "Calls as a page" in reports
    assert f'data-pick="{found.id}"' in client.get("/?q=profiler:steps").text
    assert f'data-pick="{found.id}"' not in client.get("/?q=profiler:memray").text
    assert "calls" in client.get("/plugins").text


def test_two_are_compared(neighbours: Place) -> None:
    """Both trees in one, and both tables."""
    grown = attrs.evolve(FUNCTIONS, functions=(attrs.evolve(FUNCTIONS.functions[0], self_value=9.0),))
    a = neighbours.put_captures(calls=FUNCTIONS, steps=stacks())
    b = neighbours.put_captures(calls=grown, steps=stacks(5.0))
    client = neighbours.client()
    address = f"/api/v1/compare/flamegraph?a={a.id}&b={b.id}&profiler=steps"
    nodes = until_made(client, address).json()["nodes"]
    assert (nodes["total"], nodes["base_total"]) == ([[15, 15, 15]], [[10, 10, 10]])
    page = client.get(f"/compare?a={a.id}&b={b.id}&profiler=calls").text
    assert "pk-flamegraph diff" in page
    assert "load" in page
    assert "gone in B" in page


def test_a_page_is_in_the_navigation_of_those_who_may_see_it(neighbours: Place) -> None:
    """It looks like ours, has the prefix, and is refused to others; a broken page harms none."""
    client = neighbours.client()
    page = client.get("/pages/costs/")
    assert page.status_code == 200
    assert "1 &lt; 2" in page.text
    assert 'href="/pages/costs/more?a=b%20c"' in page.text
    assert 'href="/pages/costs/" aria-current="page"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    other = neighbours.client(HeaderAccess())
    other.headers["x-dags"] = "mine"
    assert "Costs" not in other.get("/").text
    assert other.get("/pages/costs/").status_code == 403


@pytest.mark.parametrize("report", ["calls.page", "calls.broken"])
def test_reports_are_made_on_request(neighbours: Place, report: str) -> None:
    """One that fails says so in its own tab only."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    state = until_made(client, f"/api/v1/recordings/{found.id}/reports/{report}")
    expected = {"calls.page": "ready", "calls.broken": "failed"}[report]
    assert expected == state.json()["state"]
    assert client.get(f"/recordings/{found.id}?tab={report}").status_code == 200
    if expected == "failed":
        assert "BrokenRenderer failed: ValueError" in state.json()["message"]
        answer = client.get(f"/recordings/{found.id}/reports/{report}/file")
        assert answer.status_code == 422
        assert "<script>alert" not in answer.text
        assert "a=b" not in answer.headers.get("set-cookie", "")
