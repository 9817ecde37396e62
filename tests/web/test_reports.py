"""Reports are made apart from the server, once for all, within limits, and harm nobody."""

from __future__ import annotations

import contextlib
import fcntl
import threading
import time
from pathlib import Path

import attrs
import psutil
import pytest

from profilerkit.limits import Limits
from profilerkit.model import EventKind
from profilerkit.web.app import create_app
from profilerkit.web.job import AT_ONCE
from profilerkit.web.work import MOST_JOBS
from tests.web.site import LoopbackAccess, Place, client_of, until_made
from tests.web.test_third_parties import FUNCTIONS


def test_two_viewers_of_two_servers_have_it_rendered_once(neighbours: Place) -> None:
    """Whoever asks meanwhile waits for the same file."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    address = f"/api/v1/recordings/{found.id}/reports/calls.counted"
    clients = [neighbours.client() for _ in range(4)]
    answers: list[str] = []

    def ask(number: int) -> None:
        answers.append(until_made(clients[number], address).json()["state"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == ["ready"] * 4
    assert (neighbours.folder / "trace").read_bytes() == b"x"
    assert clients[0].get(f"/recordings/{found.id}/reports/calls.counted/file").content == b"made"


def test_a_page_and_its_reports_read_a_capture_once(neighbours: Place) -> None:
    """A report that is asked for while the captures are being read waits for that."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    addresses = [
        f"/api/v1/recordings/{found.id}/{each}" for each in ("timelines", "reports/calls.counted", "hot")
    ]
    for address in addresses:
        client.get(address)
    for address in addresses:
        assert until_made(client, address).status_code == 200
    assert (neighbours.folder / "trace-of-reading").read_bytes() == b"x"


def test_waiting_for_a_turn_is_not_working(neighbours: Place) -> None:
    """It takes nothing of the time limit, and however many wait, few of them are processes."""
    found = [neighbours.put_captures(calls=FUNCTIONS) for _ in range(MOST_JOBS + 2)]
    client = client_of(create_app(neighbours.settings, access=LoopbackAccess(), limits=Limits(seconds=4.0)))
    client.get("/")
    (work,) = Path(neighbours.settings.catalog_folder).glob("*.work")
    turns = work / "turns"
    turns.mkdir()
    others = set(psutil.Process().children())
    addresses = [f"/api/v1/recordings/{each.id}/timelines" for each in found]
    with contextlib.ExitStack() as held:
        for number in range(AT_ONCE):
            lock = held.enter_context((turns / str(number)).open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        for _ in range(2):
            for address in addresses:
                assert client.get(address).status_code == 202
        assert len(set(psutil.Process().children()) - others) <= MOST_JOBS
        time.sleep(5.0)  # over the limit
        assert client.get(addresses[0]).status_code == 202
    for address in addresses:
        assert until_made(client, address, 120.0).status_code == 200


def test_a_new_revision_is_rendered_anew(neighbours: Place) -> None:
    """What was made of a recording that still ran is not shown for one that has ended."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    address = f"/api/v1/recordings/{found.id}/reports/calls.counted"
    until_made(client, address)
    neighbours.archive.publish(attrs.evolve(found, revision=2), EventKind.FINAL)
    time.sleep(1.1)  # the catalog is fresh for a second
    client.get("/")
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    assert until_made(client, address).json()["state"] == "ready"
    assert (neighbours.folder / "trace").read_bytes() == b"xx"


def test_a_stuck_render_ends_at_its_limit(neighbours: Place) -> None:
    """The page says so, and asking again tries again."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    app = create_app(neighbours.settings, access=LoopbackAccess(), limits=Limits(seconds=8.0))
    client = client_of(app)
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    address = f"/api/v1/recordings/{found.id}/reports/calls.stuck"
    assert client.get(address).json()["state"] == "rendering"
    assert client.get(f"/recordings/{found.id}/reports/calls.stuck/file").status_code == 202
    state = until_made(client, address).json()
    assert state["state"] == "failed"
    assert "was ended" in state["message"]
    assert client.get(address).json()["state"] == "failed"
    assert client.post(address, headers={"Origin": "http://localhost"}).json()["state"] == "rendering"
    assert until_made(client, address).json()["state"] == "failed"


def test_foreign_html_is_sent_in_a_sandbox(neighbours: Place) -> None:
    """No script of ours shares its origin, no network is reached, and storage is a shim."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    address = f"/recordings/{found.id}/reports/calls.page/file"
    answer = until_made(client, address)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    for words in ("default-src 'none'", "connect-src 'none'", "form-action 'none'", "frame-ancestors 'self'"):
        assert words in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.index("localStorage") < answer.text.index("<title>")
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert answer.text == plain.text
    kept = client.get(f"{address}?download=true")
    assert "attachment" in kept.headers["content-disposition"]
    assert kept.headers["content-type"] == "application/octet-stream"
    assert "Object.defineProperty" not in kept.text


def test_what_is_no_html_is_a_file_to_keep(neighbours: Place) -> None:
    """A browser that opens it alone shows nothing of it."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    answer = until_made(client, f"/recordings/{found.id}/reports/calls.hot/file")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_a_report_that_is_none_is_told(neighbours: Place) -> None:
    """The words name those there are."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    state = until_made(client, f"/api/v1/recordings/{found.id}/reports/no.such").json()
    assert state["state"] == "failed"
    assert "calls.page" in state["message"]


@pytest.mark.parametrize("report", ["..%2f..%2fetc%2fpasswd", "%00", "a" * 300, "calls.page%0d%0aX-A: b"])
def test_a_report_of_any_name_harms_nobody(neighbours: Place, report: str) -> None:
    """It is a name, not a path or a header."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    answer = until_made(client, f"/recordings/{found.id}/reports/{report}/file")
    assert answer.status_code in (404, 422)
    assert "x-a" not in answer.headers


def test_the_scratch_is_for_its_user_alone(neighbours: Place) -> None:
    """What was made lies where no other user reads."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    client = neighbours.client()
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    folders = [each for each in Path(neighbours.settings.catalog).glob("*.work") if each.is_dir()]
    assert [each.stat().st_mode & 0o777 for each in folders] == [0o700]
