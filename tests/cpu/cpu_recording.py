"""Record small programs with `CpuProfiler` in processes of their own, and read what they left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from profilerkit.interfaces import CaptureFiles
from profilerkit.reading import Reading
from profilerkit_cpu.profiler import CpuProfiler

DRIVER = """
import json, os, sys
from pathlib import Path
from profilerkit.model import ProcessIdentity, Subject, Target
from profilerkit_cpu.profiler import CpuProfiler

folder, options, program = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
target = Target(ProcessIdentity(os.getpid(), 0), Subject("script", {"name": "x"}), 0)
profiler = CpuProfiler(**options)
os.register_at_fork(after_in_child=profiler.abandon)
sys.argv = [program]
text = Path(program).read_text()
code = compile(text, program, "exec")
if "profiler.start(" not in text:
    profiler.start(folder, target)
namespace = {"__name__": "__main__", "profiler": profiler, "folder": folder, "target": target}
exec(code, namespace)
profiler.stop()
"""
"""Runs a program between `start` and `stop`; one that calls `profiler.start` itself decides when."""

PARTS = """
import threading, time
def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(100): pass
def doze(seconds):
    time.sleep(seconds)
"""
"""Functions that every test program has: `spin` uses so many seconds of CPU time, `doze` none."""


@frozen
class Recorded:
    """What a recorded program did and left."""

    folder: Path
    returncode: int
    stdout: str
    stderr: str

    @property
    def reading(self) -> Reading:
        """Return the content of the capture."""
        return CpuProfiler.read(CaptureFiles(self.folder))

    @property
    def notes(self) -> str:
        """Return the notes of the reading, as one text."""
        return " ".join(self.reading.notes)

    @property
    def raw(self) -> dict[str, Any]:
        """Return the file as it is."""
        data: dict[str, Any] = json.loads((self.folder / "cpu.json").read_text())
        return data

    def seconds(self, metric: str, function: str) -> float:
        """Return the seconds of a metric in the calls of a function."""
        return seconds_in(self.reading, metric, function)


class Program:
    """A program that is being recorded."""

    def __init__(self, folder: Path, source: str, options: Mapping[str, Any] | None = None) -> None:
        self.capture = folder / "capture"
        self.capture.mkdir()
        program = folder / "program.py"
        program.write_text(PARTS + source)
        arguments = (str(self.capture), json.dumps(options or {}), str(program))
        self.process = subprocess.Popen(
            # A session keeps Python 3.12+ from warning of forks because of threads of ours; here is none.
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", DRIVER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )

    def end(self) -> Recorded:
        """Wait for its end."""
        stdout, stderr = self.process.communicate(timeout=60)
        return Recorded(self.capture, self.process.returncode, stdout, stderr)

    def wait_for_line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill_after(self, seconds: float) -> Recorded:
        """Wait for a line, then that long, then kill it."""
        self.wait_for_line()
        time.sleep(seconds)
        self.process.kill()
        return self.end()


def record(folder: Path, source: str, **options: Any) -> Recorded:
    """Record a program from beginning to end; it must succeed and print no error."""
    recorded = Program(folder, source, options).end()
    assert (recorded.returncode, recorded.stderr) == (0, "")
    return recorded


def seconds_in(reading: Reading, metric: str, function: str) -> float:
    """Return the seconds in the outermost calls of a function and below them."""
    tree = reading.stacks
    assert tree is not None
    column = [each.name for each in tree.metrics].index(metric)
    inside = [False]
    total = 0.0
    for node in range(1, len(tree.parents)):
        inside.append(inside[tree.parents[node]] or tree.frames[tree.frame_ids[node]].function == function)
        total += tree.self_values[column][node] if inside[node] else 0.0
    return total


def functions(reading: Reading) -> set[str]:
    """Return the names of all functions in the stacks."""
    assert reading.stacks is not None
    return {frame.function for frame in reading.stacks.frames}


def self_seconds(reading: Reading, metric: str) -> Counter[str]:
    """Return the seconds of a metric by the innermost function."""
    tree = reading.stacks
    assert tree is not None
    column = [each.name for each in tree.metrics].index(metric)
    found: Counter[str] = Counter()
    for node in range(1, len(tree.parents)):
        found[tree.frames[tree.frame_ids[node]].function] += tree.self_values[column][node]
    return found
