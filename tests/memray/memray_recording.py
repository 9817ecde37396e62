"""Record small programs with `MemrayProfiler` in processes of their own, and read what they left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from profilerkit.interfaces import CaptureFiles
from profilerkit.reading import Reading
from profilerkit_memray.profiler import MemrayProfiler

DRIVER = """
import json, os, sys
from pathlib import Path
from profilerkit.errors import CaptureError
from profilerkit.model import ProcessIdentity, Subject, Target
from profilerkit_memray.profiler import MemrayProfiler

folder, options, program = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
target = Target(ProcessIdentity(os.getpid(), 0), Subject("script", {"name": "x"}), 0)
profiler = MemrayProfiler(**options)
yields = []
profiler.on_yield = yields.append
# Before memray is imported: the order in which a session's handler does most harm.
os.register_at_fork(after_in_child=profiler.abandon)
sys.argv = [program, *sys.argv[4:]]
code = compile(Path(program).read_text(), program, "exec")
if "profiler.start(" not in Path(program).read_text():
    profiler.start(folder, target)
exec(code)
try:
    profiler.stop()
except CaptureError as error:
    yields.append(str(error))
"""
"""Runs a program between `start` and `stop`; one that calls `profiler.start` itself decides when."""


PROGRAM = """
def load(size):
    return bytearray(size)
def extract():
    return [load(1_000_000) for _ in range(5)]
kept = extract()
"""
"""Holds 5 MB at its peak."""

HOSTILE = """
import sys
def innocent():
    return bytearray(2_000_000)
kept = []
names = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", 'quote"quote']
names += ["line\\nline", "\\x1b[31mred"]
for number, name in enumerate([*names, *sys.argv[1:]]):
    code = innocent.__code__.replace(co_name=name, co_firstlineno=1)
    if name.startswith("/"):
        code = code.replace(co_filename=name)
    else:
        code = code.replace(co_filename="/app/" + name + ".py")
    function = type(innocent)(code, {})
    kept.append(function())
"""
"""Allocates in functions whose names and files would do harm, and in files that its arguments name."""


@frozen
class Recorded:
    """What a recorded program did and left."""

    folder: Path
    returncode: int
    stdout: str
    stderr: str
    _readings: list[Reading] = field(factory=list)

    @property
    def reading(self) -> Reading:
        """Return the reading of its capture."""
        if not self._readings:
            capture = CaptureFiles(self.folder, interrupted=self.returncode < 0)
            self._readings.append(MemrayProfiler.read(capture))
        return self._readings[0]

    def lines(self) -> list[str]:
        """Return what it printed, after making sure that nothing went wrong in it."""
        assert (self.returncode, self.stderr) == (0, "")
        return self.stdout.splitlines()


class Program:
    """A program that is recorded, while it runs."""

    def __init__(
        self, folder: Path, source: str, *arguments: str, options: dict[str, object] | None = None
    ) -> None:
        self.folder = folder / "capture"
        self.folder.mkdir()
        script = folder / "program.py"
        script.write_text(source)
        fixed = [sys.executable, "-c", DRIVER, str(self.folder), json.dumps(options or {}), str(script)]
        self.process = subprocess.Popen(
            [*fixed, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, line: str) -> None:
        """Wait until the program has printed a line."""
        assert self.process.stdout is not None
        assert line == self.process.stdout.readline().strip(), self.process.communicate()[1]

    def end(self) -> Recorded:
        """Wait for the program's end."""
        stdout, stderr = self.process.communicate(timeout=60)
        return Recorded(self.folder, self.process.returncode, stdout, stderr)


def bytes_at_peak(reading: Reading) -> dict[str, float]:
    """Return the bytes that each function itself held at the peak."""
    tree = reading.stacks
    assert tree is not None
    found: dict[str, float] = {}
    for frame_id, value in zip(tree.frame_ids[1:], tree.self_values[0][1:], strict=True):
        function = tree.frames[frame_id].function
        found[function] = found.get(function, 0) + value
    return found


def stacks_of(reading: Reading, function: str) -> set[tuple[str, ...]]:
    """Return the functions of each stack that ends in `function`, root first."""
    tree = reading.stacks
    assert tree is not None
    stacks: list[tuple[str, ...]] = [()]
    for node in range(1, len(tree.parents)):
        stacks.append((*stacks[tree.parents[node]], tree.frames[tree.frame_ids[node]].function))
    return {stack for stack in stacks if stack and stack[-1] == function}


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something is so; fail after 30 s."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
