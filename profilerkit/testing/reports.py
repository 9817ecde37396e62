"""Check that a rendered file is well-formed and harms nobody who opens it."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from profilerkit.testing.readings import HOSTILE_TAG

LOADING_ATTRIBUTES = frozenset({"src", "srcset", "poster", "data", "background", "xlink:href", "manifest"})
"""Attributes whose URL a browser loads by itself; `href` does so on some elements only."""

LOADING_HREF = frozenset({"link", "base", "image", "use"})

FOREIGN_URL = re.compile(r"\s*(?:[a-z]+:)?//", re.IGNORECASE)
FOREIGN_CSS = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])\s*(?:https?:)?//", re.IGNORECASE)


def check_report(report: Path) -> None:
    """Check a report by the suffix of its name; of binary ones only that they are not empty."""
    assert report.stat().st_size > 0, f"{report.name} is empty"
    check = {".html": check_html, ".json": check_json, ".csv": check_csv, ".txt": check_text}.get(
        report.suffix
    )
    if check is not None:
        check(report.read_bytes().decode("utf-8"))


def check_json(text: str) -> None:
    """Check that it is JSON as the standard has it, without NaN or Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads(text, parse_constant=refuse)


def check_text(text: str) -> None:
    """Check that nothing in it moves a terminal's cursor, hides or reorders text."""
    harmful = {each for each in text if not each.isprintable()} - {"\n", "\t"}
    assert harmful == set()


def check_csv(text: str) -> None:
    """Check that all rows are as long, and that a spreadsheet calculates nothing."""
    rows = list(csv.reader(text.splitlines()))
    assert {len(row) for row in rows} == {len(rows[0])}
    for cell in (cell for row in rows for cell in row):
        check_text(cell)
        assert cell.lstrip()[:1] not in {"=", "+", "-", "@"} or _is_number(cell), f"{cell!r} is a formula"


def check_html(text: str) -> None:
    """Check that no name became markup and that no element or style loads from another host.

    What a script loads when it runs is not seen: only a browser can tell.
    """
    page = _Page()
    page.feed(text)
    page.close()
    assert page.injected == [], "a name was not escaped"
    assert page.foreign == [], "the page loads from another host"


class _Page(HTMLParser):
    """Collects what should not be in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.injected: list[str] = []
        self.foreign: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        for name, value in [(tag, ""), *attrs]:
            if HOSTILE_TAG in name:
                self.injected.append(self.get_starttag_text() or tag)
            loads = name in LOADING_ATTRIBUTES or (name == "href" and tag in LOADING_HREF)
            css = name == "style" and FOREIGN_CSS.search(value or "")
            if css or (loads and FOREIGN_URL.match(value or "")):
                self.foreign.append(self.get_starttag_text() or tag)

    def handle_data(self, data: str) -> None:
        if self._in_style and FOREIGN_CSS.search(data):
            self.foreign.append(data[:200])

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
