"""Give any test a store and a spool of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, opened

with contextlib.suppress(ImportError):  # beside Airflow no test needs it
    import hypothesis

    # How long an example takes says more of what else the machine does than of us.
    hypothesis.settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("untimed")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Give a lab of this test's own."""
    with opened(tmp_path) as found:
        yield found
