"""What cannot be a setting is refused, with the place where it stands."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from profilerkit.errors import UsageError
from profilerkit.settings import find_pyproject, load_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["checkpoint_interval", "upload_timeout"])
@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e999"])
def test_seconds_are_finite(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A number that no JSON can say would be lost with the recording that has it."""
    with pytest.raises(UsageError, match="finite"):
        load_settings({name: float(value)})
    monkeypatch.setenv(f"PROFILERKIT_{name.upper()}", value)
    with pytest.raises(UsageError, match=f"PROFILERKIT_{name.upper()} cannot be '{value}'"):
        load_settings()


@contextlib.contextmanager
def a_plain_user() -> Iterator[None]:
    """Be nobody for a time, if we are root: no folder is closed to root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_below_a_folder_that_may_not_be_searched_there_is_no_file(folder: Path) -> None:
    """What cannot be looked at is no reason not to run."""
    below = folder / "shut" / "below"
    below.mkdir(parents=True)
    (folder / "shut" / "pyproject.toml").write_text('[tool.profilerkit]\nstore = "x"\n')
    (folder / "shut").chmod(0)
    try:
        with a_plain_user():
            assert find_pyproject(below) is None
    finally:
        (folder / "shut").chmod(0o700)
