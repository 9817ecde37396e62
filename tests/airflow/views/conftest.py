"""Give the tests of permissions one real Airflow, since starting it takes a minute."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.airflow.support.served import Served, served


@pytest.fixture(scope="package")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the pages with everybody and everything in them."""
    with served(tmp_path_factory.mktemp("airflow")) as found:
        yield found
