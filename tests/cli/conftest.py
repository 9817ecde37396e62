"""Give each test a store and a spool; some share one with recordings in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Lab, opened

ETL = """
import time

def load():
    return [bytearray(1000_000) for _ in range(40)]

def crunch():
    end, x = time.process_time() + 0.7, 0
    while time.process_time() < end:
        x = (x * 31 + 7) % 1000003

kept = load()
crunch()
"""


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give a lab with three recordings: a success with all profilers, a failure, a labelled one."""
    with opened(tmp_path_factory.mktemp("filled")) as found:
        script = found.script(ETL, "etl.py")
        assert found.start("-q", "--name", "etl", script.name).wait(60) == 0
        assert found.start("-q", "-p", "resources", "--name", "broken", "-c", "1/0", stderr=-3).wait(60) == 1
        labels = ("--label", "team=data", "--label", "env=prod")
        assert found.start("-q", "-p", "resources", *labels, "--name", "labelled", "-c", "pass").wait(60) == 0
        found.wait_shipped()
        yield found
