"""Read the documentation: its pages, sections, links, and blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.project.imports import ROOT

DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Block:
    """One fenced block, and what the comment before it says."""

    language: str
    text: str
    note: str
    """`not run: …`, `file: NAME`, `exit: CODE`, or nothing."""


def pages() -> list[Path]:
    """Return every page: those of the documentation and those beside the code."""
    beside = ["README", "CONTRIBUTING", "SECURITY", "CHANGELOG"]
    return [
        *(ROOT / f"{name}.md" for name in beside),
        *sorted((ROOT / "examples").rglob("*.md")),
        *sorted(DOCS.rglob("*.md")),
    ]


def text_of(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """Return a page's text without its blocks and words of code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"(?ms)^```.*?^```$", "", text))


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    fence = r"(?ms)^(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$"
    return [Block(each["language"], each["text"], each["note"] or "") for each in re.finditer(fence, text)]


def section(text: str, title: str) -> str:
    """Return what stands under a heading of the second level."""
    found = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text)
    assert found is not None, f"there is no section {title!r}"
    return found[1]


def anchors(text: str) -> set[str]:
    """Return the anchors that a site makes of a page's headings."""
    headings = re.findall(r"(?m)^#{1,6} (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    plain = [re.sub(r"[^\w\s-]", "", each.replace("`", "")).strip().lower() for each in headings]
    return {re.sub(r"\s+", "-", each) for each in plain}


def links(text: str) -> list[str]:
    """Return the targets of a page's links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", without_code(text))
