"""Names, labels and files that somebody chose to do harm do none, on any page and in any header."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import attrs
import pytest

from profilerkit.keys import recording_key
from profilerkit.model import Capture, CaptureFile, EventKind, Recording, Status, Subject
from tests.store.samples import a_recording
from tests.web.site import Place, until_made

EVIL = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>\r\nSet-Cookie: a=b\u202e\ud800\0{{7*7}}"
PAGES = (
    "/",
    "/recordings/{id}",
    "/recordings/{id}?tab=files",
    "/recordings/{id}?tab=about",
    "/compare?a={id}&b={id}",
    "/trend",
    "/plugins",
)


class Elements(HTMLParser):
    """Collect what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def evil(place: Place) -> Recording:
    """Give a recording with every text of it hostile."""
    names = {"dag_id": EVIL, "run_id": "../../../etc/passwd", "task_id": EVIL, "map_index": EVIL}
    found = a_recording(
        subject=Subject("task", names),
        labels={EVIL: EVIL},
        warnings=(EVIL,),
        environment={EVIL: EVIL, "variables": {EVIL: EVIL}, "overhead": {"start": {"seconds": EVIL}}},
        captures=(
            Capture("memray", Status.COMPLETE, files=(CaptureFile(f"a/{EVIL[:40]}", 3),), error=EVIL),
            Capture("x" + EVIL[:30], Status.FAILED, error=EVIL),
        ),
        parent_id=None,
        status=Status.PARTIAL,
    )
    place.archive.publish(found, EventKind.FINAL)
    return found


def test_no_page_holds_what_a_name_says(place: Place, evil: Recording) -> None:
    """No element, attribute or header of anybody else's making."""
    client = place.client()
    until_made(client, f"/api/v1/recordings/{evil.id}/timelines")
    until_made(client, f"/api/v1/compare?a={evil.id}&b={evil.id}")
    for path in PAGES:
        answer = client.get(path.format(id=evil.id))
        assert (path, 200) == (path, answer.status_code)
        assert "set-cookie" not in answer.headers
        parser = Elements()
        parser.feed(answer.text)
        scripts = [attributes for tag, attributes in parser.found if tag == "script"]
        assert all("src" in each for each in scripts), path
        assert "img" not in [tag for tag, _ in parser.found]
        assert [
            name for _, of in parser.found for name in of if name.startswith("on") or name == "style"
        ] == []
        links = [of["href"] or "" for tag, of in parser.found if tag == "a" and "href" in of]
        assert [each for each in links if not re.match(r"[/#]", each) or each.startswith("//")] == []
        assert "49" not in re.findall(r"\{\{7\*7\}\}|>49<", answer.text)


def test_no_api_answer_breaks(place: Place, evil: Recording) -> None:
    """Texts come back as JSON, halves of surrogate pairs as escapes."""
    client = place.client()
    for path in ("/recordings", f"/recordings/{evil.id}", "/ranking", f"/recordings/{evil.id}/hot"):
        answer = until_made(client, f"/api/v1{path}")
        assert (path, 200) == (path, answer.status_code)
        assert answer.headers["content-type"] == "application/json"
        answer.json()


def test_a_raw_file_is_one_header_and_no_path(place: Place) -> None:
    """The name of the download is what is left of the file's."""
    found = a_recording(subject=Subject("script", {"name": "x"}), parent_id=None, status=Status.COMPLETE)
    name = 'a/ev"il\r\nX-Evil: 1;é.bin'
    file = place.folder / "raw"
    file.write_bytes(b"content")
    place.archive.put_raw(recording_key(found), "memray", file, name)
    capture = Capture("memray", Status.COMPLETE, files=(CaptureFile(name, 7), CaptureFile("../../up", 7)))
    place.archive.publish(attrs.evolve(found, captures=(capture,)), EventKind.FINAL)
    client = place.client()
    answer = client.get(f"/recordings/{found.id}/raw/memray/0")
    assert (answer.status_code, answer.content) == (200, b"content")
    assert "x-evil" not in answer.headers
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert "/" not in answer.headers["content-disposition"].split("filename*")[0]
    for other in ("memray/1", "memray/2", "memray/-1", "cpu/0", "..%2f..%2f/0"):
        status = client.get(f"/recordings/{found.id}/raw/{other}").status_code
        assert (other, True) == (other, status in (404, 422))


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/../../../etc/passwd",
        "/static/x/%2e%2e/%2e%2e/app.py",
        "/static/x//etc/passwd",
        "/recordings/..%2f..%2f",
        "/recordings/%00",
        "/recordings/" + "9" * 5000,
        "/compare?a=http://169.254.169.254/&b=file:///etc/passwd",
        "/trend?kind=../x",
        "/?q=" + "(" * 3000,
        "/?after=%FF%00&sort=peak",
        "/?start=-1",
        "/?rows=99999999999999999999999",
    ],
)
def test_odd_addresses_are_answered_in_words(place: Place, path: str) -> None:
    """Neither a file outside nor an error of ours."""
    place.put()
    answer = place.client().get(path)
    assert answer.status_code in (200, 400, 404, 422)
    assert "root:" not in answer.text
    assert "create_app" not in answer.text
