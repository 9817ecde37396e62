"""Test that every link within the documentation leads somewhere, and that no page loads from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.documents import DOCS, anchors, links, pages, text_of
from tests.project.imports import ROOT

ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file or heading of ours finds it."""
    lost = []
    for link in links(text_of(page)):
        if ELSEWHERE.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(text_of(target))):
            lost.append(link)
    assert lost == []


def test_every_page_can_be_reached() -> None:
    """Every page of the site is in its navigation, and on its first page."""
    names = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"index.md"}
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert {name for name in names if name not in navigation} == set()
    assert names - set(links(text_of(DOCS / "index.md"))) == set()


def test_the_picture_loads_nothing() -> None:
    """The picture of a terminal is whole in itself."""
    picture = (DOCS / "images" / "show.svg").read_text(encoding="utf-8")
    assert re.findall(r"url\((?!#)|@import|@font-face|href=|<script|<image", picture) == []
    for words in ("interrupted", "killed", "read_orders", "edit_distance"):
        assert words in picture
