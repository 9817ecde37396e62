"""Measure what the resources profiler costs its own process, and how exact it is.

    python benchmarks/resources_cost.py [--seconds 30] [--unrelated 300]

Each row is a recording by a process that does nothing else, as thin as the watcher. CPU is of the
whole recording, start and stop included, imports not; RSS is the kernel's peak of that process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from profilerkit.interfaces import CaptureFiles
from profilerkit_resources.profiler import ResourcesProfiler

RECORDER = """
import sys
sys.path[:] = {sys_path!r}
import time
from pathlib import Path
from profilerkit.model import ProcessIdentity, Subject, Target
from profilerkit_resources import cgroup, tree
from profilerkit_resources.profiler import ResourcesProfiler
profiler = ResourcesProfiler()
target = Target(ProcessIdentity({pid}, 0), Subject("script"), {pid})
began = time.process_time(), time.monotonic()
profiler.start(Path({folder!r}), target)
print(flush=True)
sys.stdin.readline()
stop_began = time.monotonic()
profiler.stop()
stopped = time.monotonic()
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
cpu = (time.process_time() - began[0]) / (stopped - began[1])
print(cpu, peak * 1024, stopped - stop_began, flush=True)
"""

PARENT = """
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            for _ in range(int(sys.argv[1]))]
print(flush=True)
sys.stdin.readline()
for each in children:
    each.kill()
"""

CHURN = """
import subprocess, sys
print(flush=True)
while True:
    subprocess.run(["true"])
"""

GROWTH = """
import sys, time
print(flush=True)
blocks = []
while True:
    blocks.append(bytes(range(256)) * 4096 * 4)
    time.sleep(0.02)
    if len(blocks) > 200:
        blocks.clear()
"""

ONE = """
import sys
sys.stdin.readline()
block = bytearray({mebibytes} << 20)
sys.stdin.readline()
"""


@frozen
class Cost:
    """What one recording cost."""

    cpu_share: float
    peak_rss_bytes: int
    stop_seconds: float
    looks: int
    capture_bytes: int


@contextmanager
def recorded(pid: int, folder: str) -> Iterator[subprocess.Popen[str]]:
    """Record a process while the block runs."""
    code = RECORDER.format(sys_path=sys.path, pid=pid, folder=folder)
    recorder = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert recorder.stdout is not None
    recorder.stdout.readline()
    yield recorder


def cost(code: str, *arguments: str, seconds: float) -> Cost:
    """Return what it costs to record a program for so long."""
    program = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdout is not None
    program.stdout.readline()
    with tempfile.TemporaryDirectory() as folder, recorded(program.pid, folder) as recorder:
        time.sleep(seconds)
        out, _ = recorder.communicate("\n")
        capture = (Path(folder) / "resources.jsonl").read_bytes()
    program.terminate() if code in (CHURN, GROWTH) else program.communicate(b"\n")
    program.wait()
    cpu_share, peak_rss_bytes, stop_seconds = out.split()
    looks = sum(line.startswith(b"[") for line in capture.splitlines())
    return Cost(float(cpu_share), int(peak_rss_bytes), float(stop_seconds), looks, len(capture))


def error_of_peak(mebibytes: int, hold_seconds: float) -> float:
    """Return how far the peak of a process that ends normally is from the kernel's, sampled only."""
    code = ONE.format(mebibytes=mebibytes)
    program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert program.stdin is not None
    with tempfile.TemporaryDirectory() as folder, recorded(program.pid, folder) as recorder:
        time.sleep(1.0)
        program.stdin.write(b"\n")
        program.stdin.flush()
        time.sleep(hold_seconds)
        program.stdin.write(b"\n")
        program.stdin.flush()
        _, _, usage = os.wait4(program.pid, 0)
        program.returncode = 0
        recorder.communicate("\n")
        seen_bytes = ResourcesProfiler.read(CaptureFiles(Path(folder))).summary["peak_rss_bytes"] or 0
    return seen_bytes / (usage.ru_maxrss * 1024) - 1


def main() -> None:
    """Print a table of costs and one of errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--unrelated", type=int, default=300)
    options = parser.parse_args()
    unrelated = [subprocess.Popen(["sleep", "100000"]) for _ in range(options.unrelated)]
    rows: list[tuple[str, Callable[[], Cost]]] = [
        (f"{count} processes", lambda count=count: cost(PARENT, str(count - 1), seconds=options.seconds))
        for count in (1, 5, 50)
    ]
    rows.append(("children that come and go", lambda: cost(CHURN, seconds=options.seconds)))
    rows.append(("memory that always moves", lambda: cost(GROWTH, seconds=options.seconds)))
    try:
        print(f"{options.seconds:.0f} s each, {options.unrelated} unrelated processes on the machine")
        print(f"{'recorded':28} {'CPU %':>7} {'RSS MiB':>8} {'stop ms':>8} {'looks':>6} {'KiB':>6}")
        for name, measure in rows:
            found = measure()
            print(
                f"{name:28} {100 * found.cpu_share:7.2f} {found.peak_rss_bytes / 2**20:8.1f} "
                f"{1000 * found.stop_seconds:8.1f} {found.looks:6} {found.capture_bytes / 1024:6.1f}"
            )
        print("\npeak of one process, sampled only, against ru_maxrss; held for so long before the end")
        for hold_seconds in (0.0, 0.05, 0.2, 0.6):
            error = error_of_peak(200, hold_seconds)
            print(f"{hold_seconds:5.2f} s  {100 * error:+6.1f} %")
    finally:
        for each in unrelated:
            each.kill()


if __name__ == "__main__":
    main()
