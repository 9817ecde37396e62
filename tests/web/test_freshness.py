"""What is shown is fresh, and nobody waits for a slow store longer than a moment."""

from __future__ import annotations

import threading
import time

from profilerkit.catalog.scope import Scope
from profilerkit.web.remembered import FRESH_SECONDS, Remembered, scope_key
from tests.web.site import Place


def test_new_recordings_are_seen_while_the_app_runs(place: Place) -> None:
    """The catalog follows the journal by itself."""
    client = place.client()
    assert "Record the first profile" in client.get("/").text
    found = place.put()
    end = time.monotonic() + 60
    while found.id not in client.get("/").text:
        assert time.monotonic() < end, "it was never seen"
        time.sleep(0.2)


def test_many_ask_but_one_looks(place: Place) -> None:
    """However many pages are asked for, the journal is read by one thread."""
    place.put()
    app = place.app()
    site = app.state.site
    began = threading.Event()
    go_on = threading.Event()
    count = 0
    sync = site.catalog.sync

    class Slow:
        def sync(self) -> None:
            nonlocal count
            count += 1
            began.set()
            go_on.wait(30)
            sync()

    site.freshness.catalog = Slow()
    first = site.freshness._start()
    began.wait(30)
    assert [first] * 5 == [site.freshness._start() for _ in range(5)]
    go_on.set()
    first.join()
    assert count == 1


def test_an_answer_is_given_again_and_renewed_beside() -> None:
    """An old one is given once more while a thread asks anew; one that is too old is not."""
    remembered = Remembered()
    asked: list[int] = []

    def ask() -> int:
        asked.append(len(asked))
        return len(asked)

    assert [remembered.get("a", ask), remembered.get("a", ask)] == [1, 1]
    made_at, answer = remembered._answers["a"]
    remembered._answers["a"] = (made_at - FRESH_SECONDS - 1, answer)
    assert remembered.get("a", ask) == 1
    for thread in remembered._renewed.values():
        thread.join()
    assert remembered.get("a", ask) == 2
    remembered._answers["a"] = (made_at - 1000, 2)
    assert remembered.get("a", ask) == 3


def test_answers_of_one_viewer_are_not_anothers() -> None:
    """The scope is part of the question."""
    scopes = [
        Scope.ALL,
        Scope.NOTHING,
        Scope(groups={"task": frozenset({"a"})}),
        Scope(groups={"task": frozenset({"b"})}),
        Scope(groups={"script": frozenset({"a"})}),
    ]
    assert len(scopes) == len({scope_key(each) for each in scopes})
    assert scope_key(Scope(groups={"task": frozenset({"a"})})) == scope_key(scopes[2])
