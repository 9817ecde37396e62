"""Give each test a lab of its own, and programs that run in it plain and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import opened
from tests.support.twins import Twins


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[Twins]:
    """Give a lab with both ways to run a program."""
    with opened(tmp_path) as lab:
        yield Twins(lab)
