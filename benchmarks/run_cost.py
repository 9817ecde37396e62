"""Measure what recording costs the recorded process, apart from importing and running a profiler.

    python benchmarks/run_cost.py [--pairs 30]

The profiler is `resources`, of which nothing runs inside. Each pair is one run with plain Python and one
of the launcher with a plan, as `profilerkit run` executes it; the figures are medians of the differences:
from the start of the process to the program's first line, and from its last line to its end. The whole
command, with the start of the command line itself, is printed beside it for information.

Bars: 100 ms and 50 ms of CPU, start and end together. Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from profilerkit import select
from profilerkit.settings import load_settings

WALL_BAR_MS = 100.0
CPU_BAR_MS = 50.0

PROGRAM = """
import time
first = time.monotonic_ns(), time.process_time_ns()
import os, resource, sys
launched = resource.getrusage(resource.RUSAGE_CHILDREN)
last = time.monotonic_ns(), time.process_time_ns()
os.write(1, repr((first, last, launched.ru_utime + launched.ru_stime, len(sys.modules))).encode())
"""


class Cost(NamedTuple):
    """Milliseconds of one run."""

    start_wall: float
    start_cpu: float
    end_wall: float
    end_cpu: float
    launcher_cpu: float
    """What the launcher of the watcher used, a child that ends before the program begins."""
    total_wall: float
    total_cpu: float


def main() -> int:
    """Print a table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(PROGRAM)
        # As when installed: modules are compiled once, in the pairs that are not counted.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ.update(PROFILERKIT_SPOOL=f"{folder}/spool", PROFILERKIT_STORE=f"{folder}/store")
        pairs = [measure_pair(folder) for _ in range(given.pairs + 2)][2:]
    plain, launched, command = (list(each) for each in zip(*pairs, strict=True))
    added = Cost(*(median_of_differences(launched, plain, each) for each in Cost._fields))
    print(f"{given.pairs} pairs, medians in ms     wall      CPU")
    print(f"to the program's first line  {added.start_wall:7.1f}  {added.start_cpu:7.1f}")
    print(f"from its last line to the end{added.end_wall:7.1f}  {added.end_cpu:7.1f}")
    wall, cpu = added.start_wall + added.end_wall, added.start_cpu + added.end_cpu
    print(
        f"together                     {wall:7.1f}  {cpu:7.1f}      bars {WALL_BAR_MS:.0f}, {CPU_BAR_MS:.0f}"
    )
    print(f"(the launcher of the watcher          {added.launcher_cpu:7.1f})")
    whole = [median_of_differences(command, plain, each) for each in ("total_wall", "total_cpu")]
    print(f"(the whole command           {whole[0]:7.1f}  {whole[1]:7.1f})")
    return int(wall > WALL_BAR_MS or cpu > CPU_BAR_MS)


def median_of_differences(those: list[Cost], base: list[Cost], field: str) -> float:
    """Return the median of what each of those took more than its twin."""
    return statistics.median(
        getattr(one, field) - getattr(other, field) for one, other in zip(those, base, strict=True)
    )


def measure_pair(folder: Path) -> tuple[Cost, Cost, Cost]:
    """Run the program plain, launched with a plan, and by the whole command, each when nothing else runs."""
    program = str(folder / "program.py")
    launcher = str(Path(select.__file__).with_name("launch.py"))
    plain = measure([sys.executable, program])
    plan = make_plan(program)
    descriptor = os.memfd_create("plan", 0)
    os.write(descriptor, json.dumps(plan).encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.set_inheritable(descriptor, True)
    launched = measure([sys.executable, launcher, str(descriptor), "script", program])
    os.close(descriptor)
    wait_shipped(folder)
    command = measure([sys.executable, "-m", "profilerkit", "run", "-q", "-p", "resources", program])
    wait_shipped(folder)
    return plain, launched, command


def make_plan(program: str) -> dict[str, object]:
    """Return the plan that the command line would make."""
    choices = select.choose(["resources"], {})
    plan = select.make_plan("script", {"name": program}, choices, load_settings(), argv=[program])
    return {**plan, "quiet": True, "can_have_watcher": True}


def measure(command: list[str]) -> Cost:
    """Run a command and return what it took."""
    reading, writing = os.pipe()
    began = time.monotonic_ns()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    _, status, usage = os.wait4(pid, 0)
    ended = time.monotonic_ns()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    assert status == 0, (command, status)
    first, last, launcher, _ = eval(answer)
    cpu = (usage.ru_utime + usage.ru_stime) * 1e3
    return Cost(
        start_wall=(first[0] - began) / 1e6,
        start_cpu=first[1] / 1e6,
        end_wall=(ended - last[0]) / 1e6,
        end_cpu=cpu - launcher * 1e3 - last[1] / 1e6,
        launcher_cpu=launcher * 1e3,
        total_wall=(ended - began) / 1e6,
        total_cpu=cpu,
    )


def wait_shipped(folder: Path) -> None:
    """Wait until nothing of ours runs any more."""
    while [each for each in (folder / "spool").glob("*") if not each.name.startswith(".ship-")]:
        time.sleep(0.05)
    time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
