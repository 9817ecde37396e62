"""Give each test a store and a spool, and a program to kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, opened

PROGRAM = """
import os, sys, time

def allocate(n):
    return [bytearray(100_000) for _ in range(n)]

def spin(seconds):
    end, x = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        x = (x * 31 + 7) % 1000003

{extra}
print("ready", os.getpid(), flush=True)
kept = []
while True:
    kept.append(allocate(5))
    spin(0.05)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Give a lab of this test's own."""
    with opened(tmp_path) as found:
        yield found
