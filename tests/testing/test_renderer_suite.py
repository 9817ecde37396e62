"""Test the conformance suite for renderers: each mistake is found."""

from __future__ import annotations

import html
import itertools
import json
from pathlib import Path

import pytest
from attrs import define, field

from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit.testing import RendererTests
from profilerkit.testing.readings import HOSTILE_NAMES
from profilerkit.testing.reports import check_csv, check_html, check_json, check_text


def names(source: Source) -> list[str]:
    """Return the functions of a source."""
    return [] if source.reading.stacks is None else [frame.function for frame in source.reading.stacks.frames]


@define
class Page(ReportRenderer):
    """A right one: names as a list, as text and as data of a script."""

    title = "Names"
    filename = "names.html"
    heading: str = field(default="Names", metadata={"help": "what to write above"})

    def render(self, source: Source, target: Path) -> None:
        """Write the page."""
        items = "".join(f"<li title='{html.escape(name)}'>{html.escape(name)}</li>" for name in names(source))
        data = json.dumps(names(source)).replace("<", "\\u003c")
        page = f"<h1>{self.heading}</h1><ul>{items}</ul><a href='https://example.org'>more</a><script>{data}</script>"
        target.write_text(page, encoding="utf-8", errors="backslashreplace")


class TestPage(RendererTests):
    """A page that escapes what it shows passes."""

    renderer_class = Page


@define
class Unescaped(Page):
    """Names go into the page as they are."""

    def render(self, source: Source, target: Path) -> None:
        """Write names as markup."""
        target.write_text("<p>" + " ".join(names(source)), encoding="utf-8", errors="replace")


@define
class UnescapedData(Page):
    """Names go into a script as plain JSON, which a name can end."""

    def render(self, source: Source, target: Path) -> None:
        """Write names as data."""
        target.write_text(f"<script>{json.dumps(names(source))}</script>", encoding="utf-8")


@define
class Online(Page):
    """The page loads from another host."""

    def render(self, source: Source, target: Path) -> None:
        """Write a reference."""
        target.write_text("<script src='//cdn.example.org/d3.js'></script>", encoding="utf-8")


@define
class Untidy(Page):
    """It leaves a second file."""

    def render(self, source: Source, target: Path) -> None:
        """Write two files."""
        Page.render(self, source, target)
        target.with_suffix(".bak").write_text("x")


@define
class Nothing(Page):
    """It writes an empty file."""

    def render(self, source: Source, target: Path) -> None:
        """Write nothing."""
        target.touch()


RENDERED = itertools.count()


@define
class Restless(Page):
    """It writes something else each time."""

    def render(self, source: Source, target: Path) -> None:
        """Write a number that rises."""
        target.write_text(str(next(RENDERED)))


@define
class Picky(Page):
    """It accepts nothing that the suite has."""

    def accepts(self, capture: Capture) -> bool:
        """Accept none."""
        return False


@define
class Unsure(Page):
    """It does not answer of a capture that was not read yet."""

    def accepts(self, capture: Capture) -> bool:
        """Forget that contents may be None."""
        return "stacks" in capture.contents  # type: ignore[operator]


@pytest.mark.parametrize(
    ("renderer", "test"),
    [
        (Unescaped, "test_renders_what_it_accepts"),
        (UnescapedData, "test_renders_what_it_accepts"),
        (Online, "test_renders_what_it_accepts"),
        (Untidy, "test_renders_what_it_accepts"),
        (Nothing, "test_renders_what_it_accepts"),
        (Restless, "test_same_source_same_report"),
        (Picky, "test_renders_what_it_accepts"),
        (Unsure, "test_answers_for_any_capture"),
    ],
)
def test_each_mistake_is_found(renderer: type[ReportRenderer], test: str, tmp_path: Path) -> None:
    """A renderer with one mistake fails the test that is about it."""
    suite = type("Suite", (RendererTests,), {"renderer_class": renderer})()
    with pytest.raises((AssertionError, TypeError)):
        getattr(suite, test)(tmp_path)


@pytest.mark.parametrize(
    "page",
    [
        "<img src=http://example.org/x.png>",
        "<img srcset='//example.org/x.png 2x'>",
        "<link rel=stylesheet href=https://example.org/x.css>",
        "<base href='https://example.org/'>",
        "<p style='background: url(//example.org/x)'>",
        "<style>@import 'https://example.org/x.css'</style>",
        '<style>p { background: url( "http://example.org/x" ) }</style>',
    ],
)
def test_what_a_page_loads_is_seen(page: str) -> None:
    """Every way in which a page loads from another host is found."""
    with pytest.raises(AssertionError, match="another host"):
        check_html(page)


@pytest.mark.parametrize(
    "page", ["<a href=https://example.org>x</a>", "<img src=x.png>", "<img src='data:,x'>"]
)
def test_links_and_own_files_are_fine(page: str) -> None:
    """A link is not loaded by itself, and a page may load its own files."""
    check_html(page)


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE_NAMES if not name.replace("\n", "").replace("\t", "").isprintable()]
)
def test_text_with_control_characters_is_found(name: str) -> None:
    """A name that is written as it is fails; line breaks and tabs alone make a text."""
    check_text("a line\n\tand another\n")
    with pytest.raises(AssertionError):
        check_text(name)


@pytest.mark.parametrize("row", ["=1+1,1", "@x,1", "+a,1", "\x1b,1", "a,b,c"])
def test_harmful_csv_is_found(row: str) -> None:
    """A formula, a control character or a row of another length fails; a negative number does not."""
    check_csv("name,value\nrss,-1\n")
    with pytest.raises(AssertionError):
        check_csv(f"name,value\n{row}\n")


@pytest.mark.parametrize("text", ["[NaN]", "[Infinity]", "{"])
def test_what_is_not_json_is_found(text: str) -> None:
    """Python's own extensions of JSON are refused."""
    with pytest.raises((AssertionError, ValueError)):
        check_json(text)
