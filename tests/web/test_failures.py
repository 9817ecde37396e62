"""When something is broken a page says what, and what to do."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from profilerkit.model import EventKind
from profilerkit.settings import Settings
from profilerkit.web.app import create_app
from tests.web.site import LoopbackAccess, Place, client_of, until_made
from tests.web.test_third_parties import FUNCTIONS


def test_a_store_that_cannot_be_reached_is_a_503(tmp_path: Path) -> None:
    """Nothing is known of it yet: the page says so, the API too."""
    (tmp_path / "file").write_text("no folder")
    settings = Settings(store=str(tmp_path / "file" / "store"), catalog=str(tmp_path / "catalogs"))
    client = client_of(create_app(settings, access=LoopbackAccess()))
    for path in ("/", "/api/v1/recordings", "/trend", "/recordings/x"):
        answer = client.get(path)
        assert (path, 503) == (path, answer.status_code)
        assert "cannot be" in answer.text
    assert "The store cannot be reached" in client.get("/").text


def test_a_store_that_went_away_still_shows_what_was_known(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a word about it."""
    found = place.put()
    app = place.app()
    client = client_of(app)
    assert found.id in client.get("/").text
    shutil.rmtree(place.settings.store)
    Path(place.settings.store).write_text("no folder any more")
    site = app.state.site
    site.freshness._tried = None
    site.freshness._start().join()
    page = client.get("/")
    assert page.status_code == 200
    assert "The store cannot be read at the moment" in page.text
    assert found.id in page.text


def test_a_damaged_catalog_heals(place: Place) -> None:
    """The list is made anew from the journal."""
    found = place.put()
    client = place.client()
    assert found.id in client.get("/").text
    for each in Path(place.settings.catalog).glob("*.sqlite*"):
        each.write_bytes(b"no database" * 100)
    page = client.get("/")
    assert page.status_code == 200
    assert found.id in page.text


def test_a_recording_that_is_deleted_while_open_is_not_found(place: Place) -> None:
    """The words say what may have happened."""
    found = place.put()
    client = place.client()
    assert client.get(f"/recordings/{found.id}").status_code == 200
    place.archive.delete(found)
    site = client.app.state.site  # type: ignore[attr-defined]
    site.freshness._start().join()
    answer = client.get(f"/recordings/{found.id}")
    assert answer.status_code == 404
    assert "It may have been deleted" in answer.text
    assert client.get(f"/compare?a={found.id}&b={found.id}").status_code == 404
    assert found.id not in client.get("/").text


def test_a_capture_that_is_gone_is_told_beside_what_is_there(neighbours: Place) -> None:
    """The recording's page stands; its files say that they are missing."""
    found = neighbours.put_captures(calls=FUNCTIONS)
    for each in Path(neighbours.settings.store).rglob("*.zst"):
        each.unlink()
    client = neighbours.client()
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    page = client.get(f"/recordings/{found.id}")
    assert page.status_code == 200
    assert "cannot be" in page.text
    assert client.get(f"/recordings/{found.id}/raw/calls/0").status_code == 404


def test_a_recording_whose_folder_is_gone_says_what_the_journal_knows(place: Place) -> None:
    """A warning stands on its page."""
    found = place.put()
    shutil.rmtree(Path(place.settings.store) / "recordings")
    client = place.client()
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    page = client.get(f"/recordings/{found.id}")
    assert page.status_code == 200
    assert "Only the journal tells of this recording" in page.text


def test_an_address_that_is_none_has_a_page(place: Place) -> None:
    """HTML for people, JSON for programs."""
    client = place.client()
    assert "There is no such page." in client.get("/no/such/page").text
    assert client.get("/api/v1/no").json() == {"error": "There is no such page.", "mend": None}
    assert client.post("/").status_code == 405


def test_a_search_that_is_none_is_explained(place: Place) -> None:
    """On the page, beside the box it was typed into."""
    place.put()
    answer = place.client().get("/?q=outcome:nonsense")
    assert answer.status_code == 400
    assert "There is no outcome" in answer.text
    assert 'value="outcome:nonsense"' in answer.text


def test_a_running_recording_says_so_and_refreshes(place: Place) -> None:
    """Until it has ended."""
    from datetime import datetime, timezone

    from profilerkit.model import Status

    found = place.put(status=Status.RUNNING, outcome=None, ended_at=None, alive_at=datetime.now(timezone.utc))
    client = place.client()
    until_made(client, f"/api/v1/recordings/{found.id}/timelines")
    page = client.get(f"/recordings/{found.id}").text
    assert "Still running" in page
    assert 'data-refresh="5"' in page
    assert 'data-refresh="5"' in client.get("/").text
    place.archive.publish(a_finished(found), EventKind.FINAL)
    client.app.state.site.freshness._start().join()  # type: ignore[attr-defined]
    end = time.monotonic() + 60
    while "data-refresh" in client.get(f"/recordings/{found.id}").text:
        assert time.monotonic() < end, "it never ended"
        time.sleep(0.2)


def a_finished(found):  # type: ignore[no-untyped-def]
    """Return the recording as it ended."""
    import attrs

    from profilerkit.model import Outcome, Status

    return attrs.evolve(
        found, status=Status.COMPLETE, outcome=Outcome.SUCCESS, ended_at=found.alive_at, revision=2
    )
