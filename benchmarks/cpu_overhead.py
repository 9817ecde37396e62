"""Measure what the cpu profiler adds to the CPU time of the five workloads.

    python benchmarks/cpu_overhead.py [--case NAME]… [--pairs 11] [--json]

Each pair is one process with the profiler and one without, in random order; the ratio of a case is the
median over the pairs. CPU time, not wall time, is compared: it depends less on what else the machine
does. It counts from after the workload's imports to after `stop`; importing and starting the profiler
are reported beside it. The exit code is 1 when a ratio is over 1.10.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workloads import ENVIRONMENT, WORKLOADS

BAR_RATIO = 1.10


def measure(case: str, *, profiled: bool) -> dict[str, Any]:
    """Run one workload in this process; return its CPU seconds."""
    if case == "pandas":
        import pandas  # noqa: F401
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if profiled:
            began = time.process_time()
            from profilerkit.model import ProcessIdentity, Subject, Target

            attrs_seconds = time.process_time() - began
            from profilerkit_cpu.profiler import CpuProfiler

            profiler = CpuProfiler()
            profiler.start(Path(folder), Target(ProcessIdentity(os.getpid(), 0), Subject("script"), 0))
            result["start_milliseconds"] = 1000 * (time.process_time() - began - attrs_seconds)
        began = time.process_time()
        WORKLOADS[case]()
        if profiled:
            stopped = time.perf_counter()
            profiler.stop()
            result["stop_milliseconds"] = 1000 * (time.perf_counter() - stopped)
        result["cpu_seconds"] = time.process_time() - began
        if profiled:
            result["bytes"] = sum(each.stat().st_size for each in Path(folder).iterdir())
    return result


def run(case: str, *, profiled: bool) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--worker", case, *(["--profiled"] if profiled else [])]
    environment = {**os.environ, **ENVIRONMENT}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def compare(case: str, pairs: int) -> dict[str, Any]:
    """Return the ratio of one workload, and how far the pairs lie apart."""
    ratios, profiled_runs = [], []
    for _ in range(pairs):
        order = [True, False]
        random.shuffle(order)
        results = {profiled: run(case, profiled=profiled) for profiled in order}
        ratios.append(results[True]["cpu_seconds"] / results[False]["cpu_seconds"])
        profiled_runs.append(results[True])
    ratio = statistics.median(ratios)
    return {
        "case": case,
        "ratio": round(ratio, 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
        "start_milliseconds": round(
            statistics.median(each["start_milliseconds"] for each in profiled_runs), 1
        ),
        "stop_milliseconds": round(statistics.median(each["stop_milliseconds"] for each in profiled_runs), 1),
        "bytes": profiled_runs[-1]["bytes"],
        "missed": ratio > BAR_RATIO,
    }


def main() -> int:
    """Run the workloads; return 1 if one missed the bar."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", action="append", choices=list(WORKLOADS))
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--profiled", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(arguments.worker, profiled=arguments.profiled)))
        return 0
    rows = []
    if not arguments.json:
        print(f"{'case':10} {'ratio':>6} {'lowest':>7} {'highest':>8} {'start':>9} {'stop':>9} {'bytes':>9}")
    for case in arguments.case or WORKLOADS:
        row = compare(case, arguments.pairs)
        rows.append(row)
        if not arguments.json:
            print(
                f"{case:10} {row['ratio']:6.3f} {row['lowest']:7.3f} {row['highest']:8.3f} "
                f"{row['start_milliseconds']:6.1f} ms {row['stop_milliseconds']:6.1f} ms {row['bytes']:9} "
                f"{'MISSED' if row['missed'] else ''}",
                flush=True,
            )
    if arguments.json:
        print(json.dumps(rows, indent=1))
    return int(any(each["missed"] for each in rows))


if __name__ == "__main__":
    sys.exit(main())
