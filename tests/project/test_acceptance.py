"""Test the list of criteria, and the tool that runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.imports import ROOT

TOOL = ROOT / "tools" / "accept.py"
CRITERIA = """
[[criterion]]
id = "a.1"
title = "passes"
bar = "0"
command = "echo ran >> count"
kind = "test"

[[criterion]]
id = "a.2"
title = "shares its command"
bar = "0"
command = "echo ran >> count"
kind = "test"

[[criterion]]
id = "b.1"
title = "misses"
bar = "0"
command = "false"
kind = "e2e"

[[criterion]]
id = "b.2"
title = "names a file that is not there"
bar = "0"
command = "pytest tests/nowhere.py"
kind = "test"

[[criterion]]
id = "b.3"
title = "names a test that is not there"
bar = "0"
command = "pytest tests/here.py::test_nothing"
kind = "test"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project with a few criteria."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "here.py").write_text("def test_something(): pass\n")
    (tmp_path / "docs" / "acceptance.toml").write_text(CRITERIA)
    return tmp_path


def accept(folder: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """Run the tool and return its exit code and the verdict of each criterion."""
    done = subprocess.run(
        [sys.executable, str(TOOL), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    return done.returncode, {row[0]: row[-2] for row in rows if row and "." in row[0]}


def test_verdicts(project: Path) -> None:
    """Each criterion passes, misses or is absent, and one that does not pass fails the whole."""
    assert accept(project) == (
        1,
        {"a.1": "pass", "a.2": "pass", "b.1": "miss", "b.2": "absent", "b.3": "absent"},
    )


def test_a_shared_command_runs_once(project: Path) -> None:
    """Two criteria, one command, one run; and everything that was asked for passing is a pass."""
    assert accept(project, "--only", "a.*") == (0, {"a.1": "pass", "a.2": "pass"})
    assert (project / "count").read_text() == "ran\n"


def test_our_criteria_can_be_read() -> None:
    """Ids are unique, kinds are known, and every item and row has one."""
    done = subprocess.run(
        [sys.executable, str(TOOL), "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ids = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("core.")]
    assert ids == [
        *(f"core.item.{number}" for number in range(1, 9)),
        *(f"core.hold.{number}" for number in range(1, 17)),
    ]
