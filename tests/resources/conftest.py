"""Give tests real programs that are recorded by the resources profiler from another process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from profilerkit.interfaces import CaptureFiles
from profilerkit.reading import Reading
from profilerkit_resources.profiler import ResourcesProfiler

HELPER = Path(__file__).with_name("recording_helper.py")

PROGRAM_START = """
import ctypes, json, os, signal, subprocess, sys, threading, time

def step(*words):
    "Say what has been reached, and wait for the word to go on."
    print(json.dumps(words), flush=True)
    if not sys.stdin.readline():
        os._exit(0)

def rss():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))

def kernel_peak():
    "Not `ru_maxrss`: that of a new process begins with what the process that made it used."
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

def say_goodbye():
    "Leave the last words that a session leaves."
    import resource
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(os.environ["CAPTURE_FOLDER"] + "/goodbye.json", "w") as file:
        json.dump({
            "peak_rss_bytes": kernel_peak(),
            "ru_maxrss_bytes": own.ru_maxrss * 1024,
            "user_seconds": own.ru_utime,
            "system_seconds": own.ru_stime,
            "children_user_seconds": children.ru_utime,
            "children_system_seconds": children.ru_stime,
        }, file)

def burn(cpu_seconds):
    end = time.process_time() + cpu_seconds
    while time.process_time() < end:
        pass
"""


@define
class Program:
    """A program under record, which goes on from step to step as it is told."""

    process: subprocess.Popen[str]
    recorder: subprocess.Popen[str]
    folder: Path

    def next_step(self) -> list[Any]:
        """Let it go on, and return the words of the step that it reaches."""
        self._write(self.process, "\n")
        return self.words()

    def words(self) -> list[Any]:
        """Return the words of the step that it reaches."""
        assert self.process.stdout is not None
        words: list[Any] = json.loads(self.process.stdout.readline())
        return words

    def go_on(self) -> None:
        """Let it go on without waiting for another step."""
        self._write(self.process, "\n")

    def wait(self) -> int:
        """Wait for its end, and return its wait status."""
        return self.process.wait()

    def stop_recording(self) -> str:
        """Stop the recorder, and return what it says of that: `stopped`, or what went wrong."""
        out, _ = self.recorder.communicate("\n", timeout=20)
        assert self.recorder.returncode == 0
        return out.strip()

    def reading(self) -> Reading:
        """Return what was recorded."""
        return ResourcesProfiler.read(CaptureFiles(self.folder))

    @staticmethod
    def _write(process: subprocess.Popen[str], text: str) -> None:
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.flush()


RunProgram = Callable[..., Program]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunProgram]:
    """Return what starts a program and records it from its first step on."""
    programs: list[Program] = []

    def start(code: str, *, interval_seconds: float = 0.1, recorder_options: tuple[str, ...] = ()) -> Program:
        folder = tmp_path / f"capture-{len(programs)}"
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM_START + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CAPTURE_FOLDER": str(folder)},
            start_new_session=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        recorder = record(process.pid, folder, interval_seconds, *recorder_options)
        programs.append(Program(process, recorder, folder))
        return programs[-1]

    yield start
    for program in programs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        for process in (program.process, program.recorder):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def record(pid: int, folder: Path, interval_seconds: float = 0.1, *options: str) -> subprocess.Popen[str]:
    """Start the recorder in another process, and return it when it has begun."""
    recorder = subprocess.Popen(
        [sys.executable, str(HELPER), str(pid), str(folder), str(interval_seconds), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert recorder.stdout is not None
    assert recorder.stdout.readline() == "started\n"
    return recorder
