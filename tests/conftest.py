"""Give any test a store and a spool of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, opened


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Give a lab of this test's own."""
    with opened(tmp_path) as found:
        yield found
