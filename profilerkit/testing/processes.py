"""Run a profiler in processes of its own, for `ProfilerTests`, and damage what it left."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

from profilerkit.interfaces import Profiler

TIMEOUT_SECONDS = 120.0

WORKLOAD = '''"""Hold memory and use the CPU for a moment."""

import time


def hold_and_compute():
    held = [bytearray(1000) for _ in range(1000)]
    end = time.process_time() + 0.15
    while time.process_time() < end:
        sum(i * i for i in range(1000))
    return held


held = hold_and_compute()
'''


@frozen
class Ending:
    """How a process ended, and what it said."""

    exit_code: int
    stdout: str
    stderr: str
    answer: dict[str, Any]
    """What it answered, {} when it did not come to that."""

    @property
    def value(self) -> Any:
        """Return the answer; skip the test when the profiler is unavailable, fail it on an error."""
        if "UnavailableError" in self.answer.get("error", ()):
            pytest.skip(self.answer["text"].strip().splitlines()[-1])
        assert "value" in self.answer, (
            self.answer.get("text") or f"ended with {self.exit_code}: {self.stderr}"
        )
        return self.answer["value"]


@define
class ProfilerProcess:
    """Asks for things to be done with one profiler, each in a new process; see `drive`."""

    profiler_class: type[Profiler]
    options: Mapping[str, Any]
    workload: str
    home: Path
    _count: int = field(default=0, init=False)

    def capture_folder(self, name: str) -> Path:
        """Return a new folder for a capture."""
        folder = self.home / name
        folder.mkdir()
        return folder

    def run(self, act: str, **details: object) -> Ending:
        """Do `act` and return how it ended. Raises subprocess.TimeoutExpired when it hangs."""
        request = self._request(act, details)
        with self._start(request) as process:
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return Ending(process.returncode, stdout, stderr, _answer(request))

    def kill(self, folder: Path, *, after_seconds: float, checkpoint: bool) -> Ending:
        """Record into `folder` and kill the process, and all it started, in the midst of it."""
        started = self.home / f"{folder.name}.started"
        details = {"folder": str(folder), "started": str(started), "checkpoint": checkpoint}
        request = self._request("record_until_killed", details)
        with self._start(request) as process:
            end = time.monotonic() + TIMEOUT_SECONDS
            while not started.exists() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            if started.exists():
                time.sleep(after_seconds)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
        return Ending(process.returncode, stdout, stderr, _answer(request))

    def read(self, *folders: Path, interrupted: bool = False) -> list[dict[str, Any]]:
        """Read captures in a process that never recorded; see `drive.read`."""
        progress = self.home / "progress"
        names = [str(each) for each in folders]
        ending = self.run("read", folders=names, interrupted=interrupted, progress=str(progress))
        if "value" not in ending.answer:
            place = folders[int(progress.read_text())].name if progress.exists() else "the module"
            pytest.fail(
                f"reading {place!r} ended with {ending.exit_code}: {ending.answer.get('text')}{ending.stderr}"
            )
        answers: list[dict[str, Any]] = ending.value
        return answers

    def _request(self, act: str, details: Mapping[str, object]) -> Path:
        self._count += 1
        own = self.home / "own"
        own.mkdir(exist_ok=True)
        (own / "workload.py").write_text(self.workload, encoding="utf-8")
        (own / "child.py").write_text(self.workload, encoding="utf-8")
        request = self.home / f"request-{self._count}.json"
        asked = {
            "act": act,
            "request": str(request),
            "answer": str(request.with_suffix(".answer")),
            "sys_path": [os.path.abspath(each) for each in sys.path],
            "module": self.profiler_class.__module__,
            "class": self.profiler_class.__qualname__,
            "options": dict(self.options),
            "workload_file": str(own / "workload.py"),
            "child_file": str(own / "child.py"),
            **details,
        }
        request.write_text(json.dumps(asked), encoding="utf-8")
        return request

    def _start(self, request: Path) -> subprocess.Popen[str]:
        drive = Path(__file__).with_name("drive.py")
        return subprocess.Popen(
            [sys.executable, str(drive), str(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=self.home,
            start_new_session=True,
        )


def damaged_copies(capture: Path, home: Path) -> Iterator[Path]:
    """Yield copies of a capture's folder, each damaged in another way; its name says how."""
    empty = home / "empty folder"
    empty.mkdir(parents=True)
    yield empty
    files = sorted(each for each in capture.rglob("*") if each.is_file())
    for file in files[:6]:
        path = file.relative_to(capture)
        for how, data in _damages(file.read_bytes()):
            copy = home / f"{path.name} {how}"
            shutil.copytree(capture, copy)
            if data is None:
                (copy / path).unlink()
            else:
                (copy / path).write_bytes(data)
            yield copy


def _damages(data: bytes) -> Iterator[tuple[str, bytes | None]]:
    chance = random.Random(len(data))
    yield "missing", None
    yield "empty", b""
    for length in (1, len(data) // 2, len(data) - 1):
        yield f"cut at {length}", data[: max(0, length)]
    yield "is noise", chance.randbytes(len(data) or 100)
    yield "is text", b"not a capture\n"
    yield "grown", data + chance.randbytes(50)
    for number in range(3):
        flipped = bytearray(data)
        for place in (chance.randrange(len(data)) for _ in range(min(10, len(data)))):
            flipped[place] ^= 1 << chance.randrange(8)
        yield f"flipped {number}", bytes(flipped)


def _answer(request: Path) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(request.with_suffix(".answer").read_text())
    except FileNotFoundError:
        return {}
    return answer
