"""Each page says in words what its reader came for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import attrs
import pytest
from fastapi.testclient import TestClient

from profilerkit.contents import read_all
from profilerkit.model import Evidence, Outcome, Recording, Status, Subject
from profilerkit.reading import Metric, Reading, StackBuilder, Timeline
from profilerkit.render import StoreShelf
from tests.web.site import Place, until_made
from tests.web.test_third_parties import BEATS, FUNCTIONS, stacks

MIB = 1 << 20
START = datetime.now(timezone.utc) - timedelta(days=7)
LOAD = {"dag_id": "orders", "run_id": "r1", "task_id": "load", "map_index": "-1", "try_number": "1"}


def words(client: TestClient, address: str, status: int = 200) -> str:
    """Return what a page says, without markup and with single spaces."""
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    return " ".join(
        unescape(re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", answer.text, flags=re.S)).split()
    )


def put_runs(place: Place, peaks: list[float], *, name: str = "etl.py", **last: Any) -> list[Recording]:
    """Store a run an hour of one script with these peaks in MiB; the last one differs as told."""
    return [
        place.put(
            subject=Subject("script", {"name": name}),
            started_at=START + timedelta(hours=number),
            **{
                "summary": {"peak_rss_bytes": peak * MIB, "cpu_seconds": 1.0},
                **(last if number == len(peaks) - 1 else {}),
            },
        )
        for number, peak in enumerate(peaks)
    ]


# -- profiles ------------------------------------------------------------------------------------------


def test_the_first_page_tells_who_uses_most_and_what_got_worse(place: Place) -> None:
    """Subjects by their highest peak beside its limit; only those 15 % over their usual."""
    put_runs(
        place, [10, 10, 10, 40], summary={"peak_rss_bytes": 40.0 * MIB, "container_limit_bytes": 50.0 * MIB}
    )
    put_runs(place, [90, 90, 90, 91], name="steady.py")
    put_runs(place, [5, 50], name="young.py")
    said = words(place.client(), "/")
    ranking, _, rest = said.partition("Regressions")
    worse = rest.partition("Any state")[0]
    order = [ranking.index(each) for each in ("steady.py", "young.py", "etl.py")]
    assert order == sorted(order)
    assert "80.0% of 50.0 MiB" in ranking
    assert "10.0 MiB → 40.0 MiB" in worse
    assert ("+300%" in worse, "steady.py" in worse, "young.py" in worse) == (True, False, False)


def test_every_choice_of_the_list_is_in_its_address(place: Place) -> None:
    """Search, filters, sort, ranking and number of rows stay when another is chosen."""
    put_runs(place, [1.0] * 60)
    query = "q=name%3Aetl*&state=success&since=30d&sort=peak&order=asc&rank=cpu&rows=50"
    page = place.client().get(f"/?{query}").text
    (following,) = re.findall(r'rel="next" href="([^"]*)"', page)
    chosen, kept = (parse_qs(each.partition("?")[2]) for each in (f"?{query}", unescape(following)))
    assert {name: kept[name] for name in chosen} == chosen
    assert 'value="success" selected' in page
    said = words(place.client(), unescape(following))
    assert "51–60 of 60" in said


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("name:etl.py", 4), ("outcome:failed", 1), ("peak>35MiB", 1), ("peak<35MiB name:etl*", 3),
        ("label.team:data", 1), ("status:complete outcome:success", 3), ("nowhere", 0),
    ],
)  # fmt: skip
def test_recordings_are_found(place: Place, search: str, found: int) -> None:
    """What the search promises in its field."""
    put_runs(
        place,
        [10, 10, 10, 40],
        outcome=Outcome.FAILED,
        labels={"team": "data"},
        summary={"peak_rss_bytes": 40.0 * MIB},
    )
    answer = place.client().get("/", params={"q": search})
    assert answer.text.count("data-pick=") == found


# -- a recording ---------------------------------------------------------------------------------------


def test_a_recording_is_told_in_plain_words(neighbours: Place) -> None:
    """Peak and its share of the limit, when, how it ended, against the usual."""
    put_runs(neighbours, [10, 10, 10])
    later = neighbours.put(
        subject=Subject("script", {"name": "etl.py"}),
        started_at=START + timedelta(hours=9),
        status=Status.INTERRUPTED,
        outcome=Outcome.KILLED,
        evidence=(Evidence("signal", "ended by SIGKILL", {"signal": 9}),),
        summary={
            "peak_rss_bytes": 40.0 * MIB,
            "peak_heap_bytes": 30.0 * MIB,
            "container_limit_bytes": 50.0 * MIB,
            "cpu_seconds": 0.5,
        },
        environment={"python": "3.11.7", "overhead": {"start": {"seconds": 0.03, "cpu_seconds": 0.02}}},
        labels={"team": "data"},
    )
    client = neighbours.client()
    until_made(client, f"/api/v1/recordings/{later.id}/timelines")
    said = words(client, f"/recordings/{later.id}")
    for each in (
        "Peaked at 40.0 MiB, 80.0% of the 50.0 MiB limit",
        "ended by SIGKILL",
        "Peak memory (RSS) 40.0 MiB",
        "Peak heap 30.0 MiB",
        "Compare with the last good run",
        "30 ms to start and stop, 20 ms CPU",
    ):
        assert each in said
    about = words(client, f"/recordings/{later.id}?tab=about")
    assert ("python 3.11.7" in about, "team data" in about) == (True, True)


def test_the_verdict_names_the_largest_frame_of_own_code(neighbours: Place) -> None:
    """Function, file and line, how much it held, and when the peak was."""
    builder = StackBuilder((Metric("heap_at_peak", "bytes"),), {"own": "/srv"})
    builder.add([("main", "/srv/etl.py", 1), ("walk", "/srv/etl.py", 5)], [30.0 * MIB])
    builder.add([("main", "/srv/etl.py", 1)], [10.0 * MIB])
    rss = Timeline("rss", "bytes", [0.0, 2.0, 3.0], [1.0 * MIB, 64.0 * MIB, 2.0 * MIB])
    found = neighbours.put_captures(steps=Reading(stacks=builder.build()), beats=Reading(timelines=(rss,)))
    client = neighbours.client()
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    said = words(client, f"/recordings/{found.id}")
    assert "75.0% (30.0 MiB) of the heap at its peak was held by walk at etl.py:5" in said
    assert ", 2 s in" in said


def test_what_belongs_to_the_same_run_is_beside_it(place: Place) -> None:
    """Tries, map indexes, segments and child processes of one task, each by what it is."""

    def task(**names: str) -> Subject:
        return Subject("task", {**LOAD, **names})

    first = place.put(subject=task())
    place.put(subject=task(try_number="2"))
    place.put(subject=task(map_index="3"))
    place.put(subject=task())
    place.put(subject=Subject("process", {"name": "worker"}), parent_id=first.id)
    said = words(place.client(), f"/recordings/{first.id}").partition("Beside it")[2]
    for each in ("try 2", "map index 3", "segment", "child process"):
        assert each in said


def test_a_running_recording_shows_what_is_known(place: Place) -> None:
    """It says that it runs, asks the browser to look again, and has what was recorded so far."""
    now = datetime.now(timezone.utc)
    found = place.put(
        status=Status.RUNNING,
        outcome=None,
        started_at=now - timedelta(seconds=20),
        ended_at=None,
        alive_at=now,
    )
    page = place.client().get(f"/recordings/{found.id}").text
    assert re.search(r'<html [^>]*data-refresh="\d+"', page)
    assert "100.0 MiB" in page


@pytest.mark.parametrize(("status", "notes"), [("complete", ("Cut off.",)), ("running", ())])
def test_notes_are_of_what_has_ended(neighbours: Place, status: str, notes: tuple[str, ...]) -> None:
    """What a reader notes of a capture without an end is told only once the recording has ended."""
    neighbours.put_captures(beats=attrs.evolve(BEATS, notes=("Cut off.",)))
    (event,) = neighbours.archive.recordings()
    shelf = StoreShelf(neighbours.archive, event)
    shelf.recording = attrs.evolve(shelf.recording, status=Status(status))
    readings, _ = read_all(shelf)
    assert readings["beats"].notes == notes


# -- compare, trend, plugins ---------------------------------------------------------------------------


def test_two_recordings_differ_by_absolute_figures(neighbours: Place) -> None:
    """Bytes and seconds as they are, what changed of the environment, and each side among the choices."""
    a = neighbours.put_captures(calls=FUNCTIONS, steps=stacks())
    b = neighbours.put_captures(calls=FUNCTIONS, steps=stacks(5.0))
    client = neighbours.client()
    until_made(client, f"/api/v1/compare?a={a.id}&b={b.id}")
    page = client.get(f"/compare?a={a.id}&b={b.id}").text
    for each in (a, b):
        assert f'<option value="{each.id}" selected>' in page
    said = words(client, f"/compare?a={a.id}&b={b.id}")
    assert "Absolute bytes and seconds" in said
    assert "100.0 MiB → 100.0 MiB" in said


def test_a_trend_marks_what_is_notable(place: Place) -> None:
    """Outliers, changed versions, and runs that were killed; each leads to its recording."""
    runs = put_runs(place, [10] * 6)
    odd = place.put(
        subject=runs[0].subject,
        started_at=START + timedelta(hours=8),
        outcome=Outcome.KILLED,
        status=Status.INTERRUPTED,
        summary={"peak_rss_bytes": 90.0 * MIB, "cpu_seconds": 1.0},
        environment={"python": "3.12.0"},
    )
    client = place.client()
    said = words(client, "/trend?kind=script&name=etl.py")
    row = said.partition("Notable")[2].partition("Success")[0]
    assert ("Killed" in row, "outlier: peak memory" in row) == (True, True)
    assert f'href="/recordings/{odd.id}"' in client.get("/trend?kind=script&name=etl.py").text


def test_plugins_are_usable_or_say_why_not(neighbours: Place) -> None:
    """Name, state, title, distribution; a broken one has its problem beside it."""
    said = words(neighbours.client(), "/plugins")
    assert "calls" in said
    assert "neighbours 1.0" in said
    assert "Not usable" in said
    assert "neighbours_missing" in said
