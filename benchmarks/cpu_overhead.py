"""Measure what the cpu profiler adds to the CPU time of the five workloads.

    python benchmarks/cpu_overhead.py [--case NAME]… [--processes 5] [--pairs 8] [--json]

In each of some processes the workload runs once to warm up, and then in turn without the profiler and
with it. Each run with it is compared with the mean of its two neighbours, so that a machine that grows
slower counts for neither; the ratio of a case is the median over all of them. CPU time, not wall time, is
compared: it depends less on what else the machine does. It counts from the workload's start to after
`stop`; importing and starting the profiler are reported beside it. The exit code is 1 when a ratio is
over 1.10.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workloads import ENVIRONMENT, WORKLOADS

BAR_RATIO = 1.10


def measure(case: str, pairs: int) -> list[dict[str, Any]]:
    """Run one workload in this process, with and without the profiler; return what each pair showed."""
    began = time.process_time()
    from profilerkit.model import ProcessIdentity, Subject, Target

    target = Target(ProcessIdentity(os.getpid(), 0), Subject("script"), 0)
    attrs_seconds = time.process_time() - began
    from profilerkit_cpu.profiler import CpuProfiler

    import_seconds = time.process_time() - began - attrs_seconds

    def plain_seconds() -> float:
        began = time.process_time()
        WORKLOADS[case]()
        return time.process_time() - began

    plain_seconds()
    before, found = plain_seconds(), []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            profiler, began = CpuProfiler(), time.process_time()
            profiler.start(Path(folder), target)
            started = time.process_time()
            WORKLOADS[case]()
            stopped = time.perf_counter()
            profiler.stop()
            stop_seconds, seconds = time.perf_counter() - stopped, time.process_time() - started
            size = sum(each.stat().st_size for each in Path(folder).iterdir())
        after = plain_seconds()
        found.append(
            {
                "ratio": 2 * seconds / (before + after),
                "start_milliseconds": 1000 * (import_seconds + started - began),
                "stop_milliseconds": 1000 * stop_seconds,
                "bytes": size,
            }
        )
        before = after
    return found


def run(case: str, pairs: int) -> list[dict[str, Any]]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--worker", case, "--pairs", str(pairs)]
    environment = {**os.environ, **ENVIRONMENT}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: list[dict[str, Any]] = json.loads(output)
    return found


def compare(case: str, processes: int, pairs: int) -> dict[str, Any]:
    """Return the ratio of one workload, and how far the pairs lie apart."""
    found = [pair for _ in range(processes) for pair in run(case, pairs)]
    ratios = sorted(each["ratio"] for each in found)
    ratio = statistics.median(ratios)

    def median(name: str) -> float:
        return round(statistics.median(each[name] for each in found), 1)

    return {
        "case": case,
        "ratio": round(ratio, 3),
        "lowest_quarter": round(ratios[len(ratios) // 4], 3),
        "highest_quarter": round(ratios[-1 - len(ratios) // 4], 3),
        "start_milliseconds": median("start_milliseconds"),
        "stop_milliseconds": median("stop_milliseconds"),
        "bytes": found[-1]["bytes"],
        "missed": ratio > BAR_RATIO,
    }


def main() -> int:
    """Run the workloads; return 1 if one missed the bar."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", action="append", choices=list(WORKLOADS))
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(arguments.worker, arguments.pairs)))
        return 0
    rows = []
    if not arguments.json:
        print(f"{'case':10} {'ratio':>6} {'half of the pairs':>18} {'start':>9} {'stop':>9} {'bytes':>9}")
    for case in arguments.case or WORKLOADS:
        row = compare(case, arguments.processes, arguments.pairs)
        rows.append(row)
        if not arguments.json:
            print(
                f"{case:10} {row['ratio']:6.3f} {row['lowest_quarter']:10.3f}-{row['highest_quarter']:.3f}  "
                f"{row['start_milliseconds']:6.1f} ms {row['stop_milliseconds']:6.1f} ms {row['bytes']:9} "
                f"{'MISSED' if row['missed'] else ''}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps(rows, indent=1))
    return int(any(each["missed"] for each in rows))


if __name__ == "__main__":
    sys.exit(main())
