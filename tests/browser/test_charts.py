"""The charts in a browser: timelines on one axis, ranges, marks; a subject's runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.static_site import StaticSite
from tests.browser.watched import Watched

GIB = 1024**3
SECONDS = [float(second) for second in range(101)]
TIMELINES = {
    "started_at": "2026-11-21T02:04:11Z",
    "duration_seconds": 100.0,
    "ended": {"text": "SIGKILL", "at": 100.0},
    "limit_bytes": 16 * GIB,
    "peak": {"name": "rss", "value": 10 * GIB, "at_seconds": 100.0},
    "series": [
        {"profiler": "memray", "name": "heap", "unit": "bytes", "times_seconds": SECONDS,
         "values": [second * GIB / 20 for second in SECONDS]},
        {"profiler": "memray", "name": "rss", "unit": "bytes", "times_seconds": SECONDS,
         "values": [second * GIB / 10 for second in SECONDS]},
        {"profiler": "resources", "name": "rss", "unit": "bytes", "times_seconds": SECONDS[::2],
         "values": [second * GIB / 10 for second in SECONDS[::2]]},
        {"profiler": "cpu", "name": "cpu", "unit": "cores", "times_seconds": SECONDS, "values": [1.0] * 101},
        {"profiler": "acme", "name": "queue", "unit": "requests", "times_seconds": SECONDS,
         "values": SECONDS},
    ],
}  # fmt: skip
RUNS = {
    "points": [
        {
            "id": f"run-{number}",
            "started_at": f"2026-11-{number + 1:02}T02:00:00Z",
            "status": "complete",
            "outcome": "killed" if number == 9 else "success",
            "peak_rss_bytes": (5 if number < 9 else 9) * GIB,
            "cpu_seconds": 100.0, "duration_seconds": None, "versions_changed": number == 5,
            "outlier": number == 9,
        }
        for number in range(10)
    ]
}  # fmt: skip
Show = Callable[..., Page]


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    """Give a function that shows an element with its data."""
    site = StaticSite()
    made: list[Watched] = []

    def open_page(element: str, data: object, query: str = "") -> Page:
        site.show(f'<{element} src="/data.json"></{element}>', data)
        made.append(Watched(browser, site.url))
        return made[-1].open(f"/{query}")

    yield open_page
    site.close()
    for each in made:
        each.close()


def test_one_chart_for_each_unit_and_every_line_named(show: Show) -> None:
    """Memory comes first, units of third parties have a chart, a second RSS is named apart and hidden."""
    page = show("pk-timelines", TIMELINES)
    assert page.locator(".chart h3").all_inner_texts() == ["Memory", "CPU, in cores", "requests"]
    lines = page.locator(".chart").first.locator(".chart-line")
    assert lines.all_inner_texts() == ["RSS (resources)", "heap", "RSS (memray)"]
    assert [line.get_attribute("aria-pressed") for line in lines.all()] == ["true", "true", "false"]
    assert "limit 16.0 GiB" in page.locator(".chart").first.inner_text()


def test_a_chart_says_in_words_what_it_shows(show: Show) -> None:
    """Whoever cannot see a chart hears the highest value of each line and when it was."""
    words = show("pk-timelines", TIMELINES).locator(".chart-host").first.get_attribute("aria-label")
    assert words is not None
    assert "RSS (resources) at most 10.0 GiB at 1:40" in words


def test_dragging_selects_one_range_for_all_and_the_link_keeps_it(show: Show) -> None:
    """A range is chosen by dragging, holds for every chart, is in the URL, and a double click resets it."""
    page = show("pk-timelines", TIMELINES)
    over = page.locator(".u-over").first.bounding_box()
    assert over is not None
    page.mouse.move(over["x"] + over["width"] * 0.25, over["y"] + 50)
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] * 0.5, over["y"] + 60, steps=4)
    page.mouse.up()
    ranges = """() => document.querySelector("pk-timelines").charts
      .map(({ plot }) => [plot.scales.x.min, plot.scales.x.max])"""
    chosen = page.evaluate(ranges)
    assert chosen == [chosen[0]] * 3
    assert chosen[0] == pytest.approx([25, 50], abs=1)
    query = page.evaluate("location.search")
    assert "range=" in query
    assert show("pk-timelines", TIMELINES, query).evaluate(ranges)[0] == pytest.approx(chosen[0], abs=0.01)
    page.mouse.dblclick(over["x"] + 200, over["y"] + 50)
    assert page.evaluate(ranges) == [[0, 100]] * 3
    assert page.evaluate("location.search") == ""


def test_keys_read_values_and_change_the_range(show: Show) -> None:
    """Left and right read the values at a moment, plus halves the range, Escape shows all."""
    page = show("pk-timelines", TIMELINES)
    page.locator(".chart-host").first.focus()
    page.keyboard.press("ArrowRight")
    readout = page.locator("pk-timelines output")
    assert readout.inner_text().startswith("0:51")
    assert "heap 2.5 GiB" in readout.inner_text()
    page.keyboard.press("+")
    assert page.evaluate("document.querySelector('pk-timelines').range") == pytest.approx([25.5, 75.5], abs=1)
    page.keyboard.press("Escape")
    assert page.evaluate("document.querySelector('pk-timelines').range") is None


def test_no_timelines_are_said(show: Show) -> None:
    """A recording without numbers over time says so."""
    assert (
        "No profiler" in show("pk-timelines", {**TIMELINES, "series": []}).locator(".part-note").inner_text()
    )


def test_runs_are_shown_by_measure_and_one_opens(show: Show) -> None:
    """Measures without values are left out; the chosen run is told and Enter opens its page."""
    page = show("pk-trend", RUNS)
    assert page.locator(".chart h3").all_inner_texts() == ["Peak memory", "CPU time"]
    page.locator(".chart-host").first.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    told = page.locator("pk-trend output").inner_text()
    assert "killed" in told
    assert "peak memory 9.0 GiB" in told
    page.route("**/recordings/run-9", lambda route: route.fulfill(body="opened"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/recordings/run-9")


def test_marks_are_painted(show: Show) -> None:
    """A killed run, an outlier and changed versions each change the picture."""
    plain = {
        "points": [
            {**point, "outcome": "success", "outlier": False, "versions_changed": False}
            for point in RUNS["points"]
        ]
    }
    without = show("pk-trend", plain).locator("pk-trend canvas").first.screenshot()
    for key, number in (("outlier", 9), ("versions_changed", 5), ("outcome", 9)):
        points = [dict(point) for point in plain["points"]]
        points[number][key] = RUNS["points"][number][key]
        assert show("pk-trend", {"points": points}).locator("pk-trend canvas").first.screenshot() != without
