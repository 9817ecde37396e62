"""Put every store that comes with profilerkit through the conformance suite."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from profilerkit.testing import StoreTests


class TestLocalStore(StoreTests):
    """A folder, given by its path."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        """Return a folder that does not exist yet."""
        return str(tmp_path / "new" / "store")


class TestRenamingStore(StoreTests):
    """A filesystem that fsspec opens, where a temporary name is renamed."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        """Return a folder under a scheme that is left to fsspec."""
        return f"local://{tmp_path}/store"


class TestMemoryStore(StoreTests):
    """fsspec's memory, which belongs to one process."""

    shared_between_processes = False

    @pytest.fixture
    def store_url(self) -> str:
        """Return a folder of the memory that every instance shares."""
        return f"memory://{uuid.uuid4()}/store"


@pytest.mark.slow
class TestS3Store(StoreTests):
    """A real S3 server over HTTP."""

    race_puts = 60

    @pytest.fixture
    def store_url(self, s3_bucket: str) -> str:
        """Return a folder in a new bucket."""
        return f"s3://{s3_bucket}/some/folder"
