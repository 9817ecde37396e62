"""Give the tests of the memray backend a way to record a program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from memray_recording import Program, Recorded


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Recorded]:
    """Return a function that records a program from beginning to end."""

    def record(source: str, *arguments: str, **options: object) -> Recorded:
        return Program(tmp_path, source, *arguments, options=options).end()

    return record
