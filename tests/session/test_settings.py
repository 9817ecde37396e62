"""What cannot be a setting is refused, with the place where it stands."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


TABLES = {
    "[tool.profilerkit.nonsense]\nx = 1": "no setting 'nonsense'",
    "[tool]\nprofilerkit = 5": "[tool.profilerkit] of",
    'tool = "profilerkit"': "[tool] of",
    '[[tool]]\nname = "profilerkit"': "[tool] of",
    "[tool.profilerkit]\nlist = 5": "no setting 'list'",
    '[tool.profilerkit]\nstore = ["x", "y"]': "store in",
    "[tool.profilerkit]\nstore = 5": "store in",
    '[tool.profilerkit]\nspool = "a\\u0000b"': "spool in",
    "[tool.profilerkit]\nprofilers = {cpu = 1}": "profilers in",
    "[tool.profilerkit]\nprofilers = [1]": "profilers in",
    "[tool.profilerkit]\nretention_days = true": "retention_days in",
    "[tool.profilerkit]\nmax_capture_bytes = true": "max_capture_bytes in",
    "[tool.profilerkit]\noptions.memray = 5": "options in",
    f"[tool.profilerkit]\nstore = {'[' * 5000}{']' * 5000}": "cannot be read",
}


@pytest.mark.parametrize("text", TABLES, ids=range(len(TABLES)))
def test_what_is_no_setting_is_named_with_its_place(folder: Path, text: str) -> None:
    """Nobody should believe that it does something."""
    (folder / "pyproject.toml").write_text(f"{text}\n")
    with pytest.raises(UsageError) as told:
        load_settings()
    assert TABLES[text] in str(told.value)
    assert f"{folder}/pyproject.toml" in str(told.value)
    assert len(str(told.value)) < 1000


@pytest.mark.parametrize(
    "given",
    [
        {"max_capture_bytes": "9" * 400},
        {"max_capture_bytes": 10**400},
        {"max_capture_bytes": 10**5000},
        {"checkpoint_interval": 10**400},
        {"retention_days": 10**400},
        {"spool": "a\0b"},
        {"store": b"x"},
    ],
    ids=range(7),
)
def test_what_no_machine_has_is_refused(folder: Path, given: dict[str, Any]) -> None:
    """In words, from Python too."""
    with pytest.raises(UsageError, match=f"{next(iter(given))} in"):
        load_settings(given)


def test_tables_of_profilers_and_commands_and_paths_are_taken(folder: Path) -> None:
    """A profiler's options and a command's are theirs; a place may be a path."""
    (folder / "pyproject.toml").write_text(
        "[tool.profilerkit]\nquiet = true\n"
        'max_capture_bytes = "1.5 GiB"\noptions.memray.native = true\nstorage_options.anon = true\n'
        "[tool.profilerkit.list]\nlimit = 1\n[tool.profilerkit.options.other]\nx = [1]\n"
    )
    found = load_settings({"store": folder / "store", "profilers": ["cpu"]})
    assert (found.store, found.profilers) == (str(folder / "store"), ("cpu",))
    assert found.max_capture_bytes == 3 << 29
    assert found.options == {"memray": {"native": True}, "other": {"x": [1]}}
    assert load_settings({"max_capture_bytes": (1 << 63) - 1}).max_capture_bytes == (1 << 63) - 1
