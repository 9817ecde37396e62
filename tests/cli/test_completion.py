"""Ask for completions as bash does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import Lab


def completed(lab: Lab, *words: str) -> list[str]:
    """Return what the shell is offered for the last of these words, files as `file`."""
    lab.environment.update(
        COMP_WORDS=" ".join(("profilerkit", *words)),
        COMP_CWORD=str(len(words)),
        _PROFILERKIT_COMPLETE="bash_complete",
    )
    script = str(Path(sys.executable).with_name("profilerkit"))
    done = subprocess.run(
        [script], env=lab.environment, cwd=lab.folder, capture_output=True, text=True, check=True
    )
    for each in ("COMP_WORDS", "COMP_CWORD", "_PROFILERKIT_COMPLETE"):
        del lab.environment[each]
    assert done.stderr == ""
    return [value or kind for kind, value in (each.split(",") for each in done.stdout.split())]


def test_words_are_completed(lab: Lab) -> None:
    """Commands, profilers, their options, programs, recordings and the reports of one."""
    lab.start("-q", "-p", "resources", lab.script("import time; time.sleep(1)").name).communicate(timeout=60)
    lab.wait_shipped()
    (recording,) = lab.list()
    assert completed(lab, "sh") == ["show"]
    assert completed(lab, "run", "-p", "res") == ["resources"]
    assert "resources.interval_seconds=" in completed(lab, "run", "-o", "resources.")
    assert completed(lab, "run", "-p", "resources", "pro") == ["file"]
    assert completed(lab, "show", recording["id"][:8]) == [recording["id"]]
    assert completed(lab, "show", "lat") == ["latest"]
    assert completed(lab, "diff", recording["id"][:8]) == [recording["id"]]
    assert completed(lab, "diff", "latest", "lat") == ["latest"]
    assert completed(lab, "diff", "latest", "latest", "-p", "res") == ["resources"]
    assert completed(lab, "report", "latest", "resources.") == ["resources.timeline"]


@pytest.mark.parametrize("words", [("show", "l"), ("report", "nothing", "x"), ("run", "-o", "none.")])
def test_nothing_is_said_where_nothing_is_known(lab: Lab, words: tuple[str, ...]) -> None:
    """A store that cannot be read or a recording that is not there makes no noise on the prompt."""
    lab.environment["PROFILERKIT_STORE"] = "nowhere://"
    assert set(completed(lab, *words)) <= {"latest"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(lab: Lab, shell: str) -> None:
    """It names our command, and bash takes it as it is."""
    done = lab.command("completion", shell)
    assert "_PROFILERKIT_COMPLETE" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
