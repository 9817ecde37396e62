"""The flame graph in a browser: what it draws, says and does, on call trees whose numbers are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from profilerkit.reading import Frame, Metric, StackTree
from profilerkit.stacks.flamegraph import flamegraph
from tests.browser.static_site import StaticSite
from tests.browser.watched import Watched

OWN, PACKAGE = "own", "site-packages"
FRAMES = (
    Frame("main", "etl.py", 40, OWN),
    Frame("load", "etl.py", 12, OWN),
    Frame("load", "etl.py", 13, OWN),
    Frame("read_csv", "pandas/io.py", 900, PACKAGE),
    Frame("concat", "pandas/concat.py", 7, PACKAGE),
)
# main → load (line 12) → read_csv → concat; main → load (line 13) → concat; main → concat → read_csv
PARENTS = (-1, 0, 1, 2, 3, 1, 5, 1, 7)
FRAME_IDS = (-1, 0, 1, 3, 4, 2, 4, 4, 3)
SELF = (0.0, 0.0, 0.0, 1000.0, 500.0, 0.0, 2000.0, 100.0, 400.0)
TREE = StackTree(
    (Metric("heap", "bytes"), Metric("allocations", "count")),
    FRAMES, PARENTS, FRAME_IDS, (SELF, tuple(value / 100 for value in SELF)),
)  # fmt: skip
WHOLE = 4000
ELEMENT = '<pk-flamegraph src="/data.json"></pk-flamegraph>'
BOXES = """() => {
  const { model } = document.querySelector("pk-flamegraph");
  const { parent, total, x0, x1, levels } = model.placed;
  const path = (node) => node === 0 ? "" : `${path(parent[node])}/${model.label(node)}`;
  const nodes = levels.flatMap((level) => [...level]);
  return Object.fromEntries(nodes.map((node) => [path(node), [total[node], x1[node] - x0[node]]]));
}"""


@pytest.fixture(scope="module")
def site() -> Iterator[StaticSite]:
    """Give a site for one element."""
    found = StaticSite()
    yield found
    found.close()


class Shown:
    """A flame graph in a page."""

    def __init__(self, watched: Watched, query: str = "") -> None:
        self.watched = watched
        self.page: Page = watched.open(f"/{query}")
        self.canvas = self.page.locator("pk-flamegraph canvas")

    @property
    def line(self) -> str:
        """Return the line of details below the graph."""
        return self.page.locator(".flame-line").inner_text().replace("\n", " ")

    @property
    def query(self) -> str:
        """Return the query of the page's URL as it is now."""
        found: str = self.page.evaluate("location.search")
        return found

    @property
    def said(self) -> str:
        """Return what is announced to a screen reader."""
        return self.page.locator("pk-flamegraph [role=status]").inner_text()

    @property
    def found(self) -> str:
        """Return what the search says."""
        return self.page.locator(".flame-find output").inner_text()

    def boxes(self) -> dict[str, tuple[float, float]]:
        """Return the total and the share of the width of every box, by its path."""
        found: dict[str, tuple[float, float]] = self.page.evaluate(BOXES)
        return found

    def totals(self) -> dict[str, float]:
        """Return the total of every box, by its path."""
        return {path: total for path, (total, _) in self.boxes().items()}

    def press(self, *keys: str) -> None:
        """Press keys on the graph."""
        self.canvas.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def click_row(self, row: int, share: float = 0.2) -> None:
        """Click a row of boxes, at a share of the width."""
        box = self.canvas.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + box["width"] * share, box["y"] + 20 * row + 10)

    def window(self) -> list[float]:
        """Return the visible part of the whole, from 0 to 1, when it stands still."""
        self.page.wait_for_timeout(400)
        found: list[float] = self.page.evaluate(
            "(({ graph }) => [graph.from, graph.to])(document.querySelector('pk-flamegraph'))"
        )
        return found


@pytest.fixture
def show(browser: Browser, site: StaticSite) -> Iterator[Any]:
    """Give a function that shows a call tree."""
    made: list[Watched] = []

    def open_page(data: object = None, query: str = "", **keywords: Any) -> Shown:
        site.show(ELEMENT, flamegraph(TREE, 0) if data is None else data)
        made.append(Watched(browser, site.url, **keywords))
        return Shown(made[-1], query)

    yield open_page
    for each in made:
        each.close()


def compared() -> dict[str, Any]:
    """Return the tree as B, with an A in which `read_csv` under `load` is smaller and `concat` larger."""
    data = flamegraph(TREE, 0)
    base = StackTree(
        TREE.metrics[:1],
        FRAMES,
        PARENTS,
        FRAME_IDS,
        ((0.0, 0.0, 0.0, 500.0, 500.0, 0.0, 2000.0, 300.0, 400.0),),
    )
    older = flamegraph(base, 0)
    data["metrics"] = data["metrics"][:1]
    nodes = data["nodes"]
    nodes.update(self=nodes["self"][:1], total=nodes["total"][:1])
    nodes.update(base_self=older["nodes"]["self"], base_total=older["nodes"]["total"])
    return data


def test_boxes_are_as_wide_as_what_they_count(show: Any) -> None:
    """Top-down, lines of one function are one box, the widest child comes first, and widths are shares."""
    boxes = show().boxes()
    assert {path: total for path, (total, _) in boxes.items()} == {
        "": 4000, "/main": 4000, "/main/load": 3500, "/main/load/concat": 2000, "/main/load/read_csv": 1500,
        "/main/load/read_csv/concat": 500, "/main/concat": 500, "/main/concat/read_csv": 400,
    }  # fmt: skip
    for total, share in boxes.values():
        assert share == pytest.approx(total / WHOLE)
    assert list(boxes)[3:5] == ["/main/concat", "/main/load/concat"]


def test_bottom_up_adds_up_what_functions_count_themselves(show: Any) -> None:
    """Bottom-up, each function has its own self, then its callers, however it was reached."""
    shown = show()
    shown.page.get_by_role("button", name="Bottom-up").click()
    assert shown.totals() == {
        "": 4000,
        "/concat": 2600, "/concat/load": 2000, "/concat/load/main": 2000, "/concat/main": 100,
        "/concat/read_csv": 500, "/concat/read_csv/load": 500, "/concat/read_csv/load/main": 500,
        "/read_csv": 1400, "/read_csv/load": 1000, "/read_csv/load/main": 1000,
        "/read_csv/concat": 400, "/read_csv/concat/main": 400,
    }  # fmt: skip
    assert "direction=bottom-up" in shown.query


def test_lines_can_be_told_apart(show: Any) -> None:
    """Grouped by line, one function called at two lines is two boxes."""
    shown = show()
    shown.page.get_by_role("button", name="Line", exact=True).click()
    assert {
        path: total for path, total in shown.totals().items() if path.count("/") == 2 and "load" in path
    } == {"/main:40/load:12": 1500, "/main:40/load:13": 2000}


def test_search_counts_every_stack_with_a_match_once(show: Any) -> None:
    """The share is of stacks that hold the text anywhere: matches within matches count once."""
    shown = show()
    shown.page.get_by_label("Highlight frames").fill("read_csv")
    assert shown.found == f"{(1500 + 400) / 40:.1f}%, 1.9 KiB"
    shown.page.get_by_label("Highlight frames").fill("CONCAT")
    assert shown.found == "75.0%, 2.9 KiB"
    shown.page.get_by_role("button", name="Bottom-up").click()
    assert shown.found == "75.0%, 2.9 KiB"
    shown.page.get_by_label("Highlight frames").fill("nowhere")
    assert shown.found == "no match"


def test_search_goes_from_match_to_match(show: Any) -> None:
    """Enter in the search goes to the widest match, then to the next one."""
    shown = show()
    field = shown.page.get_by_label("Highlight frames")
    field.fill("concat")
    field.press("Enter")
    assert shown.said.startswith("concat pandas/concat.py:7, total 2.0 KiB (50.0%)")
    field.press("Enter")
    assert "500 B (12.5%)" in shown.said


def test_the_matches_are_painted(show: Any) -> None:
    """A match changes the pixels of its box, and of the others too."""
    shown = show()
    plain = shown.canvas.screenshot()
    shown.page.get_by_label("Highlight frames").fill("read_csv")
    assert plain != shown.canvas.screenshot()


def test_keys_walk_zoom_and_come_back(show: Any) -> None:
    """Arrows walk from box to box, Enter zooms, Backspace and Escape come back, and each is said."""
    shown = show()
    shown.press("ArrowDown", "ArrowDown")
    assert shown.said.startswith("load etl.py:13, total 3.4 KiB (87.5%) · self 0 B (0.0%)")
    shown.press("ArrowDown", "ArrowRight")
    assert shown.said.startswith("read_csv")
    shown.press("ArrowUp")
    assert shown.said.startswith("load")
    shown.press("ArrowRight")
    assert shown.said.startswith("concat")
    shown.press("Enter")
    assert shown.window() == pytest.approx([0.875, 1.0])
    shown.press("Backspace")
    assert shown.window() == pytest.approx([0.0, 1.0])
    shown.press("ArrowDown", "Enter", "Escape")
    assert shown.window() == [0.0, 1.0]


def test_slash_goes_to_the_search_of_the_graph(show: Any) -> None:
    """The key / on the graph focuses its search, and is not typed."""
    shown = show()
    shown.press("/")
    field = shown.page.get_by_label("Highlight frames")
    assert field.evaluate("element => element === document.activeElement")
    assert field.input_value() == ""


def test_a_click_zooms_and_the_link_keeps_it(show: Any) -> None:
    """A zoom is in the page's URL by what the box is, so a reload, also of another run, shows the same."""
    shown = show()
    shown.click_row(2)
    assert shown.window() == pytest.approx([0.0, 0.875])
    query = shown.query
    assert "zoom=" in query
    again = show(query=query)
    assert again.window() == pytest.approx([0.0, 0.875])
    assert again.line.startswith("load")
    other = flamegraph(
        StackTree(
            TREE.metrics, FRAMES, PARENTS[:7], FRAME_IDS[:7], tuple(each[:7] for each in TREE.self_values)
        ),
        0,
    )
    assert show(other, query=query).line.startswith("load")


def test_everything_shown_is_in_the_url(show: Any) -> None:
    """Direction, grouping, metric and search come back with the link."""
    shown = show()
    shown.page.get_by_role("button", name="Bottom-up").click()
    shown.page.get_by_role("button", name="Line", exact=True).click()
    shown.page.get_by_label("Metric").select_option(label="allocations")
    shown.page.get_by_label("Highlight frames").fill("io.py:900")
    query = shown.query
    again = show(query=query)
    assert again.totals() == shown.totals()
    assert again.found == shown.found == "47.5%, 19"
    assert again.page.get_by_label("Highlight frames").input_value() == "io.py:900"


def test_pointing_tells_what_a_box_is(show: Any) -> None:
    """The pointer shows function, file and line, total and self with their shares, in a tip and below."""
    shown = show()
    box = shown.canvas.bounding_box()
    assert box is not None
    shown.page.mouse.move(box["x"] + 40, box["y"] + 50)
    tip = shown.page.locator(".flame-tip")
    assert tip.is_visible()
    assert tip.inner_text() == "load\netl.py:13\ntotal 3.4 KiB (87.5%) · self 0 B (0.0%)"
    assert shown.line == "load etl.py:13 total 3.4 KiB (87.5%) · self 0 B (0.0%) your code"
    shown.page.mouse.move(5, 5)
    assert not tip.is_visible()


def test_a_touch_tells_and_a_second_one_zooms(show: Any) -> None:
    """On a touch screen the first touch shows the details, the second one zooms."""
    shown = show(width=390, has_touch=True, is_mobile=True)
    box = shown.canvas.bounding_box()
    assert box is not None
    place = (box["x"] + 40, box["y"] + 50)
    shown.page.touchscreen.tap(*place)
    assert shown.line.startswith("load etl.py:13")
    assert shown.window() == [0.0, 1.0]
    shown.page.touchscreen.tap(*place)
    assert shown.window() == pytest.approx([0.0, 0.875])


def test_zoom_moves_or_not_as_the_reader_likes(show: Any) -> None:
    """With reduced motion the zoom is there at once; else it passes through what is between."""
    steps = """() => {
      const { graph } = document.querySelector("pk-flamegraph");
      const seen = [];
      const draw = graph.draw.bind(graph);
      graph.draw = () => { seen.push(graph.to); draw(); };
      graph.zoom(2);
      return new Promise((done) => setTimeout(() => done(seen), 500));
    }"""
    assert len(show().page.evaluate(steps)) > 2
    assert show(reduced_motion="reduce").page.evaluate(steps) == [0.875]


def test_the_canvas_is_as_sharp_as_the_screen(show: Any) -> None:
    """On a screen with two device pixels to a CSS pixel the canvas has twice the pixels."""
    sizes = "((canvas) => [canvas.width, canvas.clientWidth])(document.querySelector('canvas'))"
    inner, outer = show(device_scale_factor=2).page.evaluate(sizes)
    assert inner == 2 * outer > 0


def test_the_theme_repaints(show: Any) -> None:
    """Another theme has another picture, without a reload."""
    shown = show()
    light = shown.canvas.screenshot()
    shown.page.evaluate(
        "document.documentElement.dataset.theme = 'dark'; dispatchEvent(new Event('pk:theme'))"
    )
    assert light != shown.canvas.screenshot()


def test_own_code_has_the_saturated_colour(show: Any) -> None:
    """Your own code is orange, packages are muted."""
    shown = show()
    pixel = """([x, y]) => {
      const canvas = document.querySelector("canvas");
      return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];
    }"""
    red, green, blue = shown.page.evaluate(pixel, [400, 30])
    assert red > green > blue and red - blue > 80
    row = shown.page.evaluate(pixel, [400, 70])
    assert max(row) - min(row) < 70


def test_a_diff_is_as_wide_as_the_larger_side(show: Any) -> None:
    """Compared, a box is as wide as the larger of both, and says both, the change and its part of A."""
    shown = show(compared())
    boxes = shown.boxes()
    assert boxes["/main/▼ concat"][1] == pytest.approx(700 / 4200)
    assert boxes["/main/▲ load/▲ read_csv"][1] == pytest.approx(1500 / 4200)
    shown.press("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight")
    assert shown.line.startswith("read_csv pandas/io.py:900 A 1000 B → B 1.5 KiB (▲ +500 B, +50%)")
    shown.page.get_by_role("button", name="A only").click()
    assert shown.totals()["/main/load/read_csv"] == 1000
    assert "side=a" in shown.query


def test_more_and_less_have_colours_and_signs(show: Any) -> None:
    """More in B is orange and has ▲, less is blue and has ▼, the same is grey and has none."""
    shown = show(compared())
    colours = shown.page.evaluate("""() => {
      const { model, palette } = document.querySelector("pk-flamegraph");
      const { base, total } = model.placed;
      return [...total].map((b, node) => [model.label(node), palette.change(base[node], b)]);
    }""")
    found = {label: [pixel & 255, pixel >> 8 & 255, pixel >> 16 & 255] for label, pixel in colours}
    assert found["▲ read_csv"][0] > found["▲ read_csv"][2]
    assert found["▼ concat"][0] < found["▼ concat"][2]
    assert max(found["concat"]) - min(found["concat"]) < 40


def test_names_are_only_text(show: Any) -> None:
    """Names that are markup stay text in the tip, the line, the choice of metrics and the announcement."""
    harm = "<img src=x onerror=window.hacked=1>"
    frames = (Frame(harm, f"/{harm}", 1, OWN), Frame("__proto__", "constructor", 2, ""))
    tree = StackTree(
        (Metric(harm, harm), Metric("b", "x")),
        frames,
        (-1, 0, 1),
        (-1, 0, 1),
        ((0.0, 1.0, 2.0), (0.0, 1.0, 2.0)),
    )
    shown = show(flamegraph(tree, 0))
    shown.press("ArrowDown")
    box = shown.canvas.bounding_box()
    assert box is not None
    shown.page.mouse.move(box["x"] + 40, box["y"] + 30)
    assert shown.page.locator(".flame-tip b").inner_text() == harm
    assert harm in shown.line
    assert harm in shown.said
    assert shown.page.evaluate("window.hacked") is None
    assert shown.page.locator("pk-flamegraph img").count() == 0


def test_what_cannot_be_drawn_is_said(show: Any) -> None:
    """An empty tree, a newer format and broken data each have words."""
    empty = flamegraph(StackTree(TREE.metrics, (), (-1,), (-1,), ((0.0,), (0.0,))), 0)
    assert "Nothing was counted" in show(empty).page.locator(".part-note").inner_text()
    assert (
        "newer profilerkit"
        in show({**flamegraph(TREE, 0), "format": 99}).page.locator(".part-note").inner_text()
    )
    assert show({"format": 1}).page.locator(".part-note.bad").is_visible()


def test_deep_trees_scroll(show: Any) -> None:
    """A recursion of 3,000 frames scrolls within the graph, and a walk down stays in sight."""
    count = 3001
    tree = StackTree(
        (Metric("time", "seconds"),), (Frame("again", "deep.py", 1, OWN),),
        range(-1, count - 1), [-1] + [0] * (count - 1), ([0.0] * (count - 1) + [1.0],),
    )  # fmt: skip
    shown = show(json.loads(json.dumps(flamegraph(tree, 0))))
    height = shown.page.locator(".flame-scroll").evaluate(
        "element => [element.scrollHeight, element.clientHeight]"
    )
    assert height[0] == 20 * count > height[1]
    shown.press(*["ArrowDown"] * 60)
    assert shown.page.locator(".flame-scroll").evaluate("element => element.scrollTop") > 200
