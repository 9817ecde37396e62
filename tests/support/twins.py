"""Run a program twice, with plain Python and recorded, and compare all that is seen from outside."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.lab import Lab

ALL = tuple(
    name for name in ("resources", "cpu", "memray") if find_spec(f"profilerkit_{name}.profiler") is not None
)
"""The first-party profilers that are installed here."""
FAULTY = str(Path(__file__).parent.parent / "faulty")
TIMEOUT_SECONDS = 120


@frozen
class Ran:
    """How a process ended, and what it wrote; a signal's exit code is negative."""

    code: int
    stdout: str
    stderr: str

    def lines(self) -> list[str]:
        """Return what it printed."""
        return self.stdout.splitlines()


class Twins:
    """Runs programs in a lab, plain and recorded."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.profilers: Sequence[str] = ALL

    def write(self, text: str | bytes, name: str = "program.py") -> str:
        """Write a program and return its name; programs run in the folder where it is."""
        path = self.lab.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
        return name

    def plain_command(self, *arguments: str, interpreter: Sequence[str] = ()) -> list[str]:
        """Return the command that runs a program as it is."""
        return [sys.executable, *interpreter, *arguments]

    def recorded_command(
        self, *arguments: str, interpreter: Sequence[str] = (), options: Sequence[str] = ("-q",)
    ) -> list[str]:
        """Return the command that runs and records it."""
        chosen = [each for name in self.profilers for each in ("-p", name)]
        run = ["-m", "profilerkit", "run", *options, *chosen]
        return [sys.executable, *interpreter, *run, *arguments]

    def plain(self, *arguments: str, interpreter: Sequence[str] = (), **how: Any) -> Ran:
        """Run a program as it is."""
        return self._run(self.plain_command(*arguments, interpreter=interpreter), **how)

    def recorded(
        self,
        *arguments: str,
        interpreter: Sequence[str] = (),
        options: Sequence[str] = ("-q",),
        **how: Any,
    ) -> Ran:
        """Run and record a program."""
        return self._run(self.recorded_command(*arguments, interpreter=interpreter, options=options), **how)

    def assert_same(self, *arguments: str, interpreter: Sequence[str] = (), **how: Any) -> Ran:
        """Run a program both ways; exit code and every byte of output must be equal. Return them."""
        plain = self.plain(*arguments, interpreter=interpreter, **how)
        recorded = self.recorded(*arguments, interpreter=interpreter, **how)
        assert_equal(plain, recorded)
        return recorded

    def assert_same_source(self, text: str | bytes, **how: Any) -> Ran:
        """Write a program, run it both ways, and compare."""
        return self.assert_same(self.write(text), **how)

    def show(self) -> dict[str, Any]:
        """Return `show --json` of the newest recording, after it was shipped."""
        self.lab.wait_shipped()
        return self.lab.show()

    def captures(self) -> dict[str, tuple[str, str | None]]:
        """Return status and error of each capture of the newest recording."""
        return {each["profiler"]: (each["status"], each["error"]) for each in self.show()["captures"]}

    def _run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
        **how: Any,
    ) -> Ran:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=how.pop("cwd", self.lab.folder),
            env={**self.lab.environment, **(environment or {})},
            timeout=TIMEOUT_SECONDS,
            check=False,
            **how,
        )
        return Ran(
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )


def assert_equal(plain: Ran, recorded: Ran) -> None:
    """Fail with the first differing line, unless both are equal apart from the addresses of objects."""
    one, other = (
        [str(ran.code), *re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", ran.stdout + ran.stderr).splitlines(True)]
        for ran in (plain, recorded)
    )
    for number, (expected, found) in enumerate(zip_longest(one, other)):
        assert expected == found, f"line {number}, and then: {''.join(other[number + 1 :])[:2000]}"


needs_root = pytest.mark.skipif("os.getuid() != 0", reason="only root may do this")
linux_only = pytest.mark.skipif("not sys.platform.startswith('linux')", reason="Linux only")
