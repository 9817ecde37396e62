"""Give a test a store and its app."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from tests.web.site import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a store of this test's own, and apps of it."""
    return Place(tmp_path)
