"""What cannot be a setting is refused, with the place where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from profilerkit.errors import UsageError
from profilerkit.settings import load_settings


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
