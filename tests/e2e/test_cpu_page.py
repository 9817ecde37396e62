"""The cpu profiler's page in a real browser: it shows the tree, runs nothing of a name, asks for nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import field, frozen

from profilerkit.reading import Frame, Metric, Reading, StackTree
from profilerkit.testing.readings import HOSTILE_NAMES, HOSTILE_TAG, sample_source
from profilerkit_cpu.page import HtmlRenderer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ATTACKS = (
    *HOSTILE_NAMES,
    f"</script><img src=x onerror=document.title='{HOSTILE_TAG}'>",
    f"<img src=http://127.0.0.1:9/{HOSTILE_TAG}>",
    f"<style>@import 'http://127.0.0.1:9/{HOSTILE_TAG}.css';</style>",
    f"<!--<script>document.title='{HOSTILE_TAG}'</script>-->",
    f"'];document.title='{HOSTILE_TAG}';//",
    f'"}};document.title="{HOSTILE_TAG}";//',
    f"\u2028document.title='{HOSTILE_TAG}'\u2029",
    f"javascript:document.title='{HOSTILE_TAG}'",
    "__proto__",
    "constructor",
)
"""Names that would run a script or load something, were they not text."""


@frozen
class Seen:
    """A page in the browser, and what it did."""

    page: Page
    requests: list[str] = field(factory=list)
    complaints: list[str] = field(factory=list)
    """Errors of scripts, what the console says, and dialogs."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs a chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def seen(browser: Browser) -> Iterator[Seen]:
    """Return a page that is watched."""
    page = browser.new_page()
    seen = Seen(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.complaints.append(dialog.message), dialog.dismiss()))
    yield seen
    page.close()


def reading(*names: str) -> Reading:
    """Return a reading with these names as functions, files, folders, threads and notes."""
    frames = [Frame("main", "app.py", 1, "own")]
    for name in names:
        frames += [
            Frame(name, name, 1, "own"),
            Frame(name, name, 1, name),
            Frame("library", name, 1, "stdlib"),
            Frame(f"thread {name}", f"(threads)/{name}", 0, "thread"),
        ]
    count = len(frames)
    parents = [-1, 0, *(1 if node % 4 == 1 else node for node in range(1, count))]
    seconds = ([0.0, *([1.0] * count)],)
    tree = StackTree((Metric("wall", "seconds"),), tuple(frames), parents, [-1, *range(count)], seconds)
    return Reading(summary={"wall_seconds": float(count)}, stacks=tree, notes=names)


def write(folder: Path, content: Reading) -> Path:
    """Write the page of a reading; the recording's name is hostile too."""
    target = folder / "page.html"
    HtmlRenderer().render(sample_source(content, folder, profiler="cpu"), target)
    return target


def injected(page: Page) -> int:
    """Return how many elements or attributes a name has made."""
    return page.locator(f"{HOSTILE_TAG}, [{HOSTILE_TAG}], [onmouseover], [onerror]").count()


def unfold(page: Page) -> None:
    """Show whatever is folded."""
    for header in page.locator(".group-header").all():
        header.click()


def test_the_tree_is_there_to_see(seen: Seen, tmp_path: Path) -> None:
    """Functions are in sight, can be folded, and nothing but the file itself was asked for."""
    page = write(tmp_path, reading("first", "second"))
    seen.page.goto(page.as_uri())
    assert seen.page.get_by_text("main", exact=True).is_visible()
    assert seen.page.get_by_text("second", exact=True).first.is_visible()
    assert seen.page.locator(".profilerkit-notes p").first.inner_text() == "first"
    seen.page.get_by_text("main", exact=True).click()
    assert not seen.page.get_by_text("second", exact=True).nth(1).is_visible()
    seen.page.get_by_text("View options").click()
    assert not seen.page.get_by_text("Timeline", exact=True).is_visible()
    seen.page.wait_for_timeout(500)
    assert seen.requests == [page.as_uri()]
    assert seen.complaints == []


def test_no_name_becomes_markup_or_script(seen: Seen, tmp_path: Path) -> None:
    """Every attack is text, also when all is unfolded and pointed at."""
    page = write(tmp_path, reading(*ATTACKS))
    seen.page.goto(page.as_uri())
    unfold(seen.page)
    for name in seen.page.locator(".frame .name, .frame-description .name").all()[:60]:
        name.hover()
    seen.page.wait_for_timeout(500)
    assert injected(seen.page) == 0
    assert seen.page.get_by_text("</script><img src=x onerror").first.is_visible()
    assert seen.page.title().endswith("- pyinstrument")
    assert seen.requests == [page.as_uri()]
    assert seen.complaints == []


def test_the_checks_would_see_an_attack(seen: Seen, tmp_path: Path) -> None:
    """Were names not escaped, markup would be there; the policy would still keep scripts from running."""
    page = write(tmp_path, reading(*ATTACKS))
    page.write_text(page.read_text(encoding="utf-8").replace("\\u003c", "<").replace("\\u003e", ">"))
    seen.page.goto(page.as_uri())
    seen.page.wait_for_timeout(500)
    assert injected(seen.page) > 0
    assert seen.page.title() != HOSTILE_TAG
    assert "Content Security Policy" in " ".join(seen.complaints)
    assert len(seen.requests) > 1, "attempts to load something, which the policy stops, would not be seen"


def test_in_a_sandbox(seen: Seen, tmp_path: Path) -> None:
    """In a frame that may run scripts and nothing else it shows the tree too."""
    write(tmp_path, reading("first"))
    outer = tmp_path / "outer.html"
    outer.write_text('<iframe sandbox="allow-scripts" src="page.html" width=900 height=600></iframe>')
    seen.page.goto(outer.as_uri())
    frame = seen.page.frame_locator("iframe")
    frame.get_by_text("main", exact=True).wait_for(state="visible", timeout=10_000)
    assert seen.complaints == []


def test_the_largest_page_opens(seen: Seen, tmp_path: Path) -> None:
    """A capture with as many nodes as there may be gives a page that opens."""
    count = 100_000
    frames = tuple(Frame(f"f{number}", f"m{number % 50}.py", 1, "own") for number in range(1000))
    parents = [-1, *(number // 7 for number in range(count - 1))]
    ids = [-1, *(number % 997 for number in range(count - 1))]
    seconds = ([1.0 + number % 13 for number in range(count)],)
    tree = StackTree((Metric("wall", "seconds"),), frames, parents, ids, seconds)
    seen.page.goto(write(tmp_path, Reading(stacks=tree)).as_uri())
    seen.page.locator(".frame").first.wait_for(state="visible", timeout=30_000)
    assert "calls are not shown" in seen.page.locator(".profilerkit-notes").inner_text()
    assert seen.complaints == []
