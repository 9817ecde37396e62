"""Run the command line on a store and a spool of a test's own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TERMINAL = ("COLUMNS", "LINES")
"""What would stand for the size of a terminal that a test makes."""


class Lab:
    """One store and one spool, and what happens with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.spool = folder / "spool"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in TERMINAL},
            "PROFILERKIT_SPOOL": str(self.spool),
            "PROFILERKIT_STORE": str(self.store),
            "PROFILERKIT_CATALOG": str(folder / "catalogs"),
        }

    def script(self, text: str, name: str = "program.py") -> Path:
        """Write a program."""
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *arguments: str, prefix: tuple[str, ...] = (), **keywords: Any) -> subprocess.Popen[str]:
        """Start `profilerkit run` with these arguments."""
        command = [*prefix, sys.executable, "-m", "profilerkit", "run", *arguments]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, text=True, cwd=self.folder, **keywords
        )

    def start_python(self, *arguments: str, **keywords: Any) -> subprocess.Popen[str]:
        """Start a program of the tests with plain Python."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            **keywords,
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run any command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "profilerkit", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def list(self) -> list[dict[str, Any]]:
        """Return `list --json`."""
        done = self.command("list", "--json", "--limit", "1000")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def show(self, recording: str = "latest") -> dict[str, Any]:
        """Return `show --json`."""
        done = self.command("show", recording, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def spools(self) -> list[Path]:
        """Return the spools that are left."""
        return [each for each in self.spool.glob("*") if not each.name.startswith(".ship-")]

    def watchers(self) -> list[int]:
        """Return the process ids of the watchers of our spools."""
        found = []
        for spool in self.spools():
            with contextlib.suppress(OSError, ValueError):
                found.append(int(json.loads((spool / "watcher.json").read_text())["watcher_pid"]))
        return found

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for a condition; the limit is for a hang, not a measure."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.1)

    def wait_shipped(self, seconds: float = 60.0) -> None:
        """Wait until no spool is left."""
        self.wait_until(lambda: not self.spools(), seconds)


def first_line(process: subprocess.Popen[str]) -> str:
    """Return the first line that a program prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def kill(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Kill a program and reap it."""
    process.send_signal(number)
    process.wait(30)
    assert process.stdout is not None
    process.stdout.close()


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Lab]:
    """Give a lab, and end whatever a test left running in it."""
    found = Lab(folder)
    yield found
    for pid in found.watchers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
