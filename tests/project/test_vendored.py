"""The browser libraries that we carry are the pinned ones, unchanged, with their licences."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (ROOT / "profilerkit/web/static/vendor", ROOT / "tests/browser/vendor")


def packages() -> list[tuple[Path, dict[str, Any]]]:
    """Return each carried package's folder with what `vendored.json` says of it."""
    return [
        (folder / record["name"], record)
        for folder in FOLDERS
        for record in json.loads((folder / "vendored.json").read_text())
    ]


NAMES = [record["name"] for _, record in packages()]


@pytest.mark.parametrize(("folder", "record"), packages(), ids=NAMES)
def test_files_are_the_pinned_ones(folder: Path, record: dict[str, Any]) -> None:
    """Every file of a carried package has its recorded hash, and there is no other file."""
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert record["sha256"] == hashes


@pytest.mark.parametrize(("folder", "record"), packages(), ids=NAMES)
def test_licences_are_carried(folder: Path, record: dict[str, Any]) -> None:
    """A carried package comes with the text of its licence, and its version is written down for readers."""
    assert record["licence"]
    assert (folder / "LICENSE").read_text().strip()
    if folder.parent == FOLDERS[0]:
        assert f"| {record['version']} |" in (FOLDERS[0] / "THIRD-PARTY.md").read_text()


def test_no_folder_without_a_record() -> None:
    """Nothing lies among the carried packages without being written down."""
    folders = {path.name for folder in FOLDERS for path in folder.iterdir() if path.is_dir()}
    assert set(NAMES) == folders
