"""Record once what all tests here damage."""

from __future__ import annotations

import pytest

from tests.fuzz.captures import Recorded, record
from tests.lab import opened


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Give a recording with its raw files."""
    folder = tmp_path_factory.mktemp("fuzz")
    with opened(folder) as lab:
        return record(lab, tmp_path_factory.mktemp("raw"))
