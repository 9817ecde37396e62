"""Test that the commands and programs of the README, the tutorial and the settings page run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import opened
from tests.project.documents import DOCS, Block, blocks, text_of
from tests.project.imports import ROOT

README = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial" / "first-profile.md"
SETTINGS = DOCS / "reference" / "settings.md"


class Reader:
    """Somebody who does what a page says, in a folder of their own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        tools = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        self.environment = {**environment, "PATH": tools}
        self.said = ""

    def follow(self, block: Block) -> None:
        """Do one block: type its commands, save its file, or run its program."""
        kind, _, value = block.note.partition(": ")
        if kind == "not run":
            return
        if kind == "file":
            (self.folder / value).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
            codes = [int(value) if kind == "exit" else 0, *[0] * len(commands)]
            for command, code in zip(commands, codes, strict=False):
                assert self.run("bash", "-c", command) == code, f"$ {command}\n{self.said}"
        elif block.language == "python":
            assert self.run(sys.executable, "-c", block.text) == 0, self.said

    def run(self, *command: str) -> int:
        """Run a command, remember what it said, and return its exit code as a shell would."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        self.said = done.stdout + done.stderr
        assert "Traceback" not in self.said
        return done.returncode if done.returncode >= 0 else 128 - done.returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "statuses"),
    [
        (README, ["complete", "complete"]),
        (TUTORIAL, ["complete", "interrupted"]),
        (SETTINGS, ["complete", "complete"]),
    ],
    ids=["readme", "tutorial", "settings"],
)
def test_blocks_run(page: Path, statuses: list[str], tmp_path: Path) -> None:
    """Whoever follows the page gets what it promises."""
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "etl.py", tmp_path / "examples")
    with opened(tmp_path) as lab:
        reader = Reader(tmp_path, lab.environment)
        for block in blocks(text_of(page)):
            reader.follow(block)
        lab.wait_shipped()
        assert sorted(each["status"] for each in lab.list()) == statuses


def test_blocks_that_do_not_run_say_why() -> None:
    """Of the README and the tutorial, only what is marked stays unrun, with a reason."""
    for page in (README, TUTORIAL):
        runnable = [block for block in blocks(text_of(page)) if block.language in ("console", "python")]
        assert any(not block.note.startswith("not run") for block in runnable)
        for block in runnable:
            assert block.note.partition(": ")[0] in ("", "not run", "file", "exit")
            assert block.note != "not run"
