"""Nobody sees what they may not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request
from starlette.routing import BaseRoute, Route

from profilerkit.model import Subject
from profilerkit.web.access import Access, ForbiddenError, TokenAccess, Viewer
from tests.web.site import HeaderAccess, Place, client_of


def paths(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each method and path of an app; newer FastAPIs keep routers that were included whole."""
    for each in routes:
        if isinstance(each, Route):
            yield from ((method, prefix + each.path) for method in each.methods or ())
        else:
            below: Any = each
            assert hasattr(below, "original_router"), f"{each} is no route: who guards it?"
            yield from paths(below.original_router.routes, prefix + below.include_context.prefix)


def test_no_route_is_without_access(place: Place) -> None:
    """Whoever is denied gets nothing from any route but the refusal."""

    class Nobody(Access):
        def viewer(self, request: Request) -> Viewer:
            raise ForbiddenError("Nobody may.")

    app = place.app(Nobody())
    found = sorted(set(paths(app.routes)))
    assert len(found) > 3
    client = client_of(app)
    for method, path in found:
        answer = client.request(method, re.sub(r"\{[^}]*\}", "1", path))
        assert (method, path, 403) == (method, path, answer.status_code)
        assert method == "HEAD" or "Nobody may." in answer.text


def test_a_viewer_sees_their_dags_only(place: Place) -> None:
    """List, count and page are filtered; what may not be seen is not found."""
    mine = place.put(subject=Subject("task", {"dag_id": "mine", "task_id": "load"}))
    theirs = place.put(subject=Subject("task", {"dag_id": "theirs", "task_id": "secret"}))
    script = place.put(subject=Subject("script", {"name": "admin.py"}))
    client = place.client(HeaderAccess())
    client.headers["x-dags"] = "mine"
    page = client.get("/")
    assert page.status_code == 200
    assert "load" in page.text
    assert "secret" not in page.text
    assert "admin.py" not in page.text
    assert client.get(f"/recordings/{mine.id}").status_code == 200
    for other in (theirs, script):
        denied = client.get(f"/recordings/{other.id}")
        assert denied.status_code == 404
        assert "secret" not in denied.text


def test_whoever_is_not_logged_in_is_sent_to_log_in(place: Place) -> None:
    """A browser goes to the host's login, a program is told."""
    client = place.client(HeaderAccess())
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "/login")
    answer = client.get("/api/v1/health")
    assert answer.status_code == 401
    assert answer.json()["error"] == "Nobody is logged in."


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "localhost.evil.example", ""])
def test_other_names_of_this_machine_are_refused(place: Place, host: str) -> None:
    """A page whose name was made to resolve to this machine gets nothing."""
    client = place.client()
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert "recordings" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8765", "[::1]:9000", "localhost:1234"])
def test_this_machines_own_names_are_let_in(place: Place, host: str) -> None:
    """A port that is forwarded is as good as ours."""
    assert place.client().get("/", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_is_refused(place: Place) -> None:
    """Neither its Origin nor a form it sends gets in."""
    client = place.client()
    for origin in ("https://evil.example", "http://localhost:3000", "null"):
        assert client.get("/", headers={"Origin": origin}).status_code == 403
    assert client.get("/", headers={"Origin": "http://localhost"}).status_code == 200
    assert client.post("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://[", "null", "", "http://localhost.evil.org", "//localhost"])
def test_an_origin_that_is_none_of_ours_is_refused(place: Place, origin: str) -> None:
    """Whatever it is, also when it cannot be understood at all."""
    answer = place.client().get("/", headers={"Origin": origin})
    assert answer.status_code == (200 if origin == "//localhost" else 403)


def test_a_token_opens_once_and_then_a_cookie(place: Place) -> None:
    """The token leaves the address; the cookie is no script's business and does not hold the token."""
    client = place.client(TokenAccess("correct horse"))
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    answer = client.get("/?q=a%26b&token=correct+horse", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=a%26b")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "horse" not in cookie
    assert client.get("/").status_code == 200


def test_a_program_sends_the_token_as_bearer(place: Place) -> None:
    """The API takes a header, and the wrong token is refused."""
    client = place.client(TokenAccess("correct horse"))
    for token, status in (("correct horse", 200), ("wrong", 401), ("", 401)):
        answer = client.get("/api/v1/health", headers={"Authorization": f"Bearer {token}"})
        assert status == answer.status_code


def test_a_login_redirects_nowhere_else(place: Place) -> None:
    """A path that begins like a host stays a path."""
    client = place.client(TokenAccess("correct horse"))
    answer = client.get("//evil.example/?token=correct+horse", follow_redirects=False)
    assert answer.status_code == 303
    assert not answer.headers["location"].startswith(("//", "/\\", "http"))
