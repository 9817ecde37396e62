"""Test the store with the conformance suite of profilerkit, and with a recording from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from profilerkit.testing import StoreTests


class TestSqliteBlobStore(StoreTests):
    """A file in a folder that does not exist yet."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        """Return the URL of a new file."""
        return f"sqlite-blob://{tmp_path}/new/store.db"


def test_takes_a_recording_from_end_to_end(tmp_path: Path) -> None:
    """What is recorded into it is listed from it."""
    url = f"sqlite-blob://{tmp_path}/store.db"
    profilerkit = [sys.executable, "-m", "profilerkit"]
    code = "import time; time.sleep(0.3); print('done')"
    run = subprocess.run(
        [*profilerkit, "run", "--store", url, "-p", "cpu", "--name", "etl", "-c", code],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (0, "done\n")
    found = subprocess.run(
        [*profilerkit, "show", "--store", url, "latest", "--json"], capture_output=True, text=True, check=True
    )
    shown = json.loads(found.stdout)
    assert (shown["names"], shown["status"], shown["outcome"]) == ({"name": "etl"}, "complete", "success")
