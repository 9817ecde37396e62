"""Give a test a store and its app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from profilerkit import plugins
from profilerkit.web.plugins_page import installed
from tests.web.site import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a store of this test's own, and apps of it."""
    return Place(tmp_path)


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a store where a third party's distribution is installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("third_party")))
    monkeypatch.setenv("NEIGHBOURS_TRACE", str(tmp_path / "trace"))
    plugins.forget()
    installed.cache_clear()
    yield Place(tmp_path)
    plugins.forget()
    installed.cache_clear()
