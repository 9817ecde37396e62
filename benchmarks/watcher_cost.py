"""Measure what a watcher with `resources` in it costs: RSS, and CPU of one core while nothing happens.

    python benchmarks/watcher_cost.py [--seconds 30] [--runs 3]

Bars: under 25 MB RSS, under 1 % of one core. Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RSS_BAR_MB = 25.0
CPU_BAR_PERCENT = 1.0
WARM_UP_SECONDS = 6.0


def main() -> int:
    """Print a table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    measured = [measure(given.seconds) for _ in range(given.runs)]
    rss = statistics.median(each[0] for each in measured)
    cpu = statistics.median(each[1] for each in measured)
    start = statistics.median(each[2] for each in measured)
    print(f"watcher RSS        {rss:6.1f} MB      bar {RSS_BAR_MB}")
    print(f"watcher CPU        {cpu:6.2f} %       bar {CPU_BAR_PERCENT}   (idle program)")
    print(f"watcher start-up   {start:6.2f} s CPU in its first {WARM_UP_SECONDS:.0f} s, once")
    return int(rss > RSS_BAR_MB or cpu > CPU_BAR_PERCENT)


def measure(seconds: float) -> tuple[float, float, float]:
    """Return peak RSS in MB, CPU percent, and the CPU seconds of the warm-up, for one recording."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PROFILERKIT_SPOOL": f"{folder}/spool",
            "PROFILERKIT_STORE": f"{folder}/store",
        }
        command = [
            sys.executable,
            "-m",
            "profilerkit",
            "run",
            "-q",
            "-p",
            "resources",
            "-c",
            "import time; time.sleep(3600)",
        ]
        program = subprocess.Popen(command, env=environment)
        try:
            time.sleep(WARM_UP_SECONDS)
            watcher = find_watcher(f"{folder}/spool")
            began, before = time.monotonic(), cpu_seconds(watcher)
            time.sleep(seconds)
            used = cpu_seconds(watcher) - before
            percent = 100 * used / (time.monotonic() - began)
            rss = int(field(watcher, "VmHWM")) * 1024 / 1e6
        finally:
            program.send_signal(signal.SIGKILL)
            program.wait()
            while list(Path(folder, "spool").glob("0*")):
                time.sleep(0.2)
    return rss, percent, before


def find_watcher(spool: str) -> int:
    """Return the process id of the watcher of the one spool there is."""
    import json

    (state,) = Path(spool).glob("*/watcher.json")
    return int(json.loads(state.read_text())["watcher_pid"])


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in tasks) / 1e9


def field(pid: int, name: str) -> str:
    """Return a number of /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name))


if __name__ == "__main__":
    sys.exit(main())
