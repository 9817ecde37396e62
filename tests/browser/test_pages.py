"""Every page in a real browser: both themes, three widths, no error, no other host, nothing hostile."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener
from tests.browser.shop import HOSTILE_NAME, Shop

THEMES = ("light", "dark")
WIDTHS = (1440, 1000, 390)
PAGES = {
    "profiles": "/",
    "profiles, filtered": "/?q=profiler:memray&sort=peak&order=desc&rank=cpu",
    "profiles, none fits": "/?q=name:nothing-has-this-name",
    "profiles, search not understood": "/?q=peak%3E%3E3",
    "recording": "/recordings/{good}",
    "recording, flame graph": "/recordings/{good}?tab=flamegraph&profiler=memray",
    "recording, hot frames by line": "/recordings/{good}?tab=hot&by=line",
    "recording, files": "/recordings/{good}?tab=files",
    "recording, about": "/recordings/{good}?tab=about",
    "recording, a report as text": "/recordings/{good}?tab=cpu.tree",
    "recording, killed": "/recordings/{killed}",
    "recording, running": "/recordings/{running}",
    "recording of a third party": "/recordings/{foreign}",
    "report alone": "/recordings/{good}/reports/cpu.html",
    "compare": "/compare?a={good}&b={larger}",
    "compare, nothing chosen": "/compare",
    "compare, one is gone": "/compare?a={good}&b=01a21e57-0000-7000-8000-000000000000",
    "trends": "/trend",
    "trend": "/trend?kind=script&name=etl.py",
    "trend of nothing": "/trend?kind=script&name=nobody.py",
    "plugins": "/plugins",
    "not there": "/recordings/01a21e57-0000-7000-8000-000000000000",
}
FAILURES = {
    "compare, one is gone": "404",
    "not there": "404",
    "trend of nothing": "404",
    "profiles, search not understood": "400",
}


def tabs(page: Page) -> dict[str, set[str]]:
    """Return the words of every tab of a recording's page by its address, those of its profilers too."""
    found: dict[str, set[str]] = {}
    for each in page.locator("nav.tabs a").evaluate_all("links => links.map((link) => link.href)"):
        page.goto(each)
        pairs = page.locator("nav.tabs a").evaluate_all(
            "links => links.map(({ innerText, href }) => [innerText, href])"
        )
        for text, href in pairs:
            found.setdefault(href, set()).add(text)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_in_both_themes_and_every_width(
    opened_page: Opener, shop: Shop, name: str
) -> None:
    """Axe finds nothing serious, nothing is wider than the window, and the browser logs no error."""
    watched = opened_page(expected=(f"status of {FAILURES.get(name, 'none')}",))
    page = watched.open(PAGES[name].format(**shop.ids))
    if name == "recording, running":
        expect(page.locator("pk-flamegraph")).to_be_visible(timeout=60_000)
    elif name.startswith("recording"):  # while a capture is read, the page loads itself again
        expect(page.locator("html")).not_to_have_attribute("data-refresh", re.compile("."), timeout=60_000)
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{theme} {width}: {each}" for each in watched.serious()]
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found.append(f"{theme} {width}: the page scrolls sideways")
    assert found == []


@pytest.mark.parametrize("name", ("good", "killed", "foreign"))
def test_every_tab_of_every_backend_shows_something(opened_page: Opener, shop: Shop, name: str) -> None:
    """Each tab, each registered report among them, is rendered and has content and no error."""
    watched = opened_page()
    page = watched.open(f"/recordings/{shop.ids[name]}")
    failed = []
    for address, texts in tabs(page).items():
        watched.open(address.removeprefix(watched.url))
        trouble = page.locator("main :is(.call.bad[role=alert], .part-note.bad)")
        failed += [f"{texts}: {each}" for each in trouble.all_inner_texts()]
        assert page.locator("nav.tabs a[aria-current=page]").last.inner_text() in texts
        for frame in page.locator("iframe").all():
            inside = frame.content_frame.locator("body")
            expect(inside).to_contain_text(re.compile(r"\w"), timeout=60_000)
    assert failed == []


def test_reports_of_others_are_in_a_sandbox_of_their_own(opened_page: Opener, shop: Shop) -> None:
    """A hostile report cannot read cookies, reach the page around it, leave its frame or ask the network."""
    # What it tries and may not do is logged by the browser as an error: that is the point of it.
    watched = opened_page(expected=("is sandboxed", "connect-src 'none'", "Content Security Policy"))
    page = watched.open(f"/recordings/{shop.ids['hostile']}?tab=acme-hostile.page")
    title = page.title()
    expect(page.locator("iframe")).to_have_attribute("sandbox", re.compile("allow-scripts"))
    body = page.locator("iframe").content_frame.locator("body[data-tried]")
    tried = json.loads(body.get_attribute("data-tried") or "{}")
    assert tried == {
        "cookie": "SecurityError",
        "parent": "SecurityError",
        "top": tried["top"],
        "fetch": "TypeError",
    }
    assert page.url.startswith(watched.url)
    assert title == page.title()


def test_speedscope_shows_the_recording(opened_page: Opener, shop: Shop) -> None:
    """Our copy of speedscope loads the profile from us and draws it."""
    watched = opened_page()
    page = watched.open(f"/recordings/{shop.ids['good']}?tab=cpu.speedscope")
    frame = page.locator("iframe")
    assert frame.get_attribute("sandbox") is None
    expect(frame.content_frame.get_by_text("Left Heavy")).to_be_visible()
    expect(frame.content_frame.get_by_text(re.compile("[(]1/2[)]"))).to_be_visible()
    assert frame.content_frame.locator("canvas").count() >= 1


@pytest.mark.parametrize(
    "path",
    (
        "/", "/recordings/{hostile}", "/recordings/{hostile}?tab=flamegraph&profiler=acme-hostile",
        "/recordings/{hostile}?tab=hot&profiler=acme-hostile&by=module", "/recordings/{hostile}?tab=about",
        "/recordings/{hostile}?tab=files", "/compare?a={hostile}&b={hostile-again}",
        "/compare?a={hostile}&b={hostile-again}&profiler=acme-hostile", "/plugins", "/trend",
        "/?q=%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E",
        "/?q=%22%3E%3Cscript%3Ewindow.hacked%3D4%3C%2Fscript%3E",
        "/recordings/%3Cscript%3Ewindow.hacked%3D5%3C%2Fscript%3E",
        "/compare?a=%3Csvg%20onload%3Dwindow.hacked%3D6%3E",
        "/trend?kind=script&name=%22%3E%3Csvg%20onload%3Dwindow.hacked%3D1%3E.py",
        "/recordings/{hostile}?tab=%3Cscript%3E&zoom=%3Cscript%3E&metric=__proto__&search=%3Cimg%3E&direction=x",
    ),
)  # fmt: skip
def test_hostile_names_stay_text(opened_page: Opener, shop: Shop, path: str) -> None:
    """Names of programs, functions, files, labels, units and metrics that are markup stay text everywhere."""
    watched = opened_page(expected=("status of 400", "status of 404"))
    page = watched.open(path.format(**shop.ids))
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main :is(img, script, svg[onload])").count() == 0


def test_the_hostile_names_are_shown(opened_page: Opener, shop: Shop) -> None:
    """What the pages withstand is really on them."""
    watched = opened_page()
    assert HOSTILE_NAME in watched.open("/").locator("main").inner_text()
    text = watched.open(f"/recordings/{shop.ids['hostile']}?tab=hot").locator("main").inner_text()
    assert "<img src=x onerror=window.hacked=1></script><script>window.hacked=3</script>" in text


def test_a_third_partys_backends_have_all_of_it(opened_page: Opener, shop: Shop) -> None:
    """Functions, stacks and timelines of others: table, flame graph, chart, own report, diff, search."""
    watched = opened_page()
    page = watched.open(f"/recordings/{shop.ids['foreign']}")
    assert {"blocks", "Counts"} <= set(page.locator(".chart h3").all_inner_texts())
    expect(page.locator("pk-flamegraph h2")).to_contain_text("acme-stacks")
    labels = page.evaluate(
        "(({ model }) => [...model.placed.frame.keys()].map((node) => model.name(node)))"
        "(document.querySelector('pk-flamegraph'))"
    )
    assert {"heavy", "light"} <= set(labels)
    expect(page.locator("#hot-frames")).to_contain_text("light")
    page = watched.open(f"/recordings/{shop.ids['foreign']}?tab=acme-calls.list")
    expect(page.locator(".report-text")).to_contain_text("light")
    page = watched.open(f"/compare?a={shop.ids['foreign']}&b={shop.ids['foreign-again']}")
    expect(page.locator("pk-flamegraph h2")).to_contain_text("acme-stacks")
    expect(page.locator("#changed-frames")).to_contain_text("acme-calls")
    page = watched.open("/?q=profiler:acme-calls")
    assert page.locator("#recordings tbody tr").count() == 2


def test_keys_lead_from_the_list_to_a_line_of_code(opened_page: Opener, shop: Shop) -> None:
    """With the keyboard alone: search, open the recording, walk to the hottest frame of the flame graph."""
    watched = opened_page()
    page = watched.open("/")
    page.keyboard.press("/")
    page.keyboard.type("outcome:killed")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=outcome*")
    assert page.locator("#recordings tbody tr").count() == 1
    link = page.locator("#recordings a.task")
    for _ in range(40):
        page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/recordings/{shop.ids['killed']}*")
    watched.settle()
    canvas = page.locator("pk-flamegraph canvas")
    for _ in range(60):
        page.keyboard.press("Tab")
        if canvas.evaluate("element => element === document.activeElement"):
            break
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator("pk-flamegraph [role=status]")).to_contain_text("etl.py:")
    page.keyboard.press("Enter")
    assert "zoom=" in page.evaluate("location.search")


def test_the_first_tab_stop_skips_to_the_content(opened_page: Opener) -> None:
    """The first link of a page leads past the navigation."""
    page = opened_page().open("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_two_are_chosen_and_compared(opened_page: Opener, shop: Shop) -> None:
    """Two chosen rows, kept over a search, are compared with the older one as A."""
    page = opened_page().open("/")
    page.locator(f"input[value='{shop.ids['larger']}']").check()
    bar = page.locator("#pick")
    expect(bar).to_contain_text("1 selected")
    expect(bar.get_by_role("button", name="Compare")).to_be_disabled()
    page.locator("[data-search]").fill("name:etl.py outcome:success")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=name*")
    expect(page.locator(f"input[value='{shop.ids['larger']}']")).to_be_checked()
    page.locator(f"input[value='{shop.ids['good']}']").check()
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Compare").click()
    page.wait_for_url(f"**/compare?a={shop.ids['good']}&b={shop.ids['larger']}")
    expect(page.locator(".stats").first).to_contain_text("→")


def test_swapping_turns_more_into_less(opened_page: Opener, shop: Shop) -> None:
    """Compared the other way round, what grew has shrunk by as much."""
    watched = opened_page()
    page = watched.open(f"/compare?a={shop.ids['good']}&b={shop.ids['larger']}&profiler=memray")
    root = """() => {
      const { placed } = document.querySelector("pk-flamegraph").model;
      return [placed.base[0], placed.total[0]];
    }"""
    a, b = page.evaluate(root)
    assert b > a > 0
    page.get_by_role("link", name="Swap A and B").click()
    watched.settle()
    page.goto(page.url + "&profiler=memray")
    watched.settle()
    assert page.evaluate(root) == [b, a]


def test_the_theme_is_chosen_once(opened_page: Opener) -> None:
    """The button changes the theme, and the next page has it too."""
    watched = opened_page(theme="light")
    page = watched.open("/")
    page.get_by_role("button", name="Change between dark and light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    watched.open("/plugins")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_times_are_in_the_readers_zone(opened_page: Opener, shop: Shop) -> None:
    """A reader elsewhere sees times of that place, with the offset."""
    page = opened_page(timezone_id="Asia/Kolkata").open(f"/recordings/{shop.ids['good']}")
    expect(page.locator("main time").first).to_contain_text("+05:30")


def test_a_running_recording_refreshes_itself(opened_page: Opener, shop: Shop) -> None:
    """Without a reload the duration goes on, unless the reader pauses it."""
    watched = opened_page()
    page = watched.open(f"/recordings/{shop.ids['running']}")
    expect(page.locator("pk-flamegraph canvas")).to_have_count(1, timeout=60_000)
    page.evaluate("window.kept = true")
    duration = page.locator(".stats > div", has_text="Duration").locator("dd")
    before = duration.inner_text()
    expect(duration).not_to_have_text(before, timeout=60_000)
    assert page.evaluate("window.kept") is True
    assert page.locator("pk-flamegraph canvas").count() == 1


def test_pages_are_readable_without_scripts(opened_page: Opener, shop: Shop) -> None:
    """Without JavaScript the list, the verdict, the figures and the hot frames are there."""
    watched = opened_page(java_script_enabled=False)
    page = watched.open("/", ready=False)
    assert page.locator("#recordings tbody tr").count() >= 8
    page = watched.open(f"/recordings/{shop.ids['good']}?tab=hot", ready=False)
    expect(page.locator("#hot-frames")).to_contain_text("edit_distance")
    expect(page.locator(".call").first).to_contain_text("Peaked at")


def test_the_verdict_leads_to_the_frame(opened_page: Opener, shop: Shop) -> None:
    """The function named in the verdict is a link to the flame graph with it highlighted."""
    watched = opened_page()
    page = watched.open(f"/recordings/{shop.ids['good']}")
    page.locator(".call a.mono", has_text="read_orders").click()
    watched.settle()
    expect(page.get_by_label("Highlight frames")).to_have_value("read_orders")
    expect(page.locator(".flame-find output")).to_contain_text("%")
