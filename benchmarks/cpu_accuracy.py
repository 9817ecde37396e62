"""Compare the cpu profiler's shares of wall and CPU time with programs whose shares are known.

    python benchmarks/cpu_accuracy.py [--case NAME]… [--runs 5] [--seconds 4] [--json]

Each program measures itself, part by part, with `perf_counter` and `thread_time`. A part misses the bar
when its share, in the median of the runs, is over 5 percentage points from the truth; the exit code is 1
then. Cases marked (no bar) are limits that are measured and documented. Be alone on the machine: on a busy
one all waits end at timer interrupts, which is when the main thread is looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BAR_POINTS = 5.0
BUFFER = bytes(1 << 20) * 64

Part = tuple[Callable[[float], Any], float]
"""A function, and how many milliseconds of work it is given at a time."""


def compute(units: float) -> int:
    """Run Python bytecode."""
    value = 0
    for _ in range(int(units * UNITS["compute"])):
        value = (value * 31 + 7) % 1000003
    return value


def refine(units: float) -> int:
    """Run the same bytecode under another name."""
    value = 0
    for _ in range(int(units * UNITS["compute"])):
        value = (value * 31 + 7) % 1000003
    return value


def hold(units: float) -> int:
    """Spend it in one C call that keeps the GIL."""
    return sum(range(int(units * UNITS["hold"])))


def release(units: float) -> bytes:
    """Spend it in one C call that lets go of the GIL."""
    return hashlib.sha256(memoryview(BUFFER)[: int(units * UNITS["release"])]).digest()


def wait(units: float) -> None:
    """Do not use the processor."""
    time.sleep(units / 1000)


UNITS = {"compute": 1.0, "hold": 1.0, "release": 1.0}
"""Loop rounds, numbers and bytes in a millisecond of CPU time; set by `calibrate`."""

MAIN_THREAD: dict[str, list[Part]] = {
    "python": [(compute, 7), (refine, 3)],
    "python-short": [(compute, 0.7), (refine, 0.3)],
    "bursts-1ms": [(compute, 1), (wait, 2)],
    "bursts-3ms": [(compute, 3), (wait, 2)],
    "bursts-two": [(compute, 1.3), (wait, 2.5), (refine, 0.7), (wait, 2.1)],
    "hold-1ms": [(compute, 3), (hold, 1), (wait, 2.3)],
    "hold-20ms": [(compute, 30), (hold, 20), (wait, 20)],
    "hold-60ms": [(compute, 30), (hold, 60), (wait, 50)],
    "hold-after-wait": [(compute, 11), (wait, 3), (hold, 20), (wait, 5)],
    "release-1ms": [(compute, 2.3), (release, 1), (wait, 1.3)],
    "release-20ms": [(compute, 10), (release, 20), (wait, 10)],
    "waits-long": [(compute, 15), (wait, 40)],
}
WORKERS: dict[str, list[Part]] = {
    "threads-steady": [(compute, 14), (refine, 6)],
    "threads-steady-c": [(compute, 10), (hold, 20)],
    "threads-bursts": [(compute, 1), (wait, 2)],
}
NO_BAR = {"threads-bursts", "threads-steady-c", "release-1ms"}
CASES = [*MAIN_THREAD, "asyncio", *WORKERS]


class Truth:
    """Wall and CPU seconds by part."""

    def __init__(self) -> None:
        self.wall: Counter[str] = Counter()
        self.cpu: Counter[str] = Counter()

    def run(self, part: Callable[[float], Any], units: float) -> None:
        """Run a part and count it."""
        wall, cpu = time.perf_counter(), time.thread_time()
        part(units)
        self.wall[part.__name__] += time.perf_counter() - wall
        self.cpu[part.__name__] += time.thread_time() - cpu


def calibrate() -> None:
    """Find out how much work a millisecond is."""
    for part, probe in ((compute, 2e5), (hold, 2e6), (release, 2e7)):
        best = float("inf")
        for _ in range(5):
            began = time.thread_time()
            part(probe)
            best = min(best, time.thread_time() - began)
        UNITS[part.__name__] = probe / (best * 1000)


def program(parts: list[Part], seconds: float, truth: Truth) -> None:
    """Go round the parts."""
    wall, cpu = time.perf_counter(), time.thread_time()
    while time.perf_counter() < wall + seconds:
        for part, units in parts:
            truth.run(part, units)
    truth.wall["all"] += time.perf_counter() - wall
    truth.cpu["all"] += time.thread_time() - cpu


def program_of_threads(parts: list[Part], seconds: float, truth: Truth) -> None:
    """Go round the parts in four threads."""
    truths = [Truth() for _ in range(4)]
    threads = [threading.Thread(target=program, args=(parts, seconds, each)) for each in truths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in truths:
        truth.wall.update(each.wall)
        truth.cpu.update(each.cpu)


def program_of_coroutines(seconds: float, truth: Truth) -> None:
    """Run tasks that compute and sleep."""
    wall, cpu = time.perf_counter(), time.thread_time()

    async def task(part: Callable[[float], Any], units: float, pause: float) -> None:
        while time.perf_counter() < wall + seconds:
            truth.run(part, units)
            await asyncio.sleep(pause)

    async def tasks() -> None:
        await asyncio.gather(task(compute, 2, 0.007), task(refine, 5, 0.013), task(hold, 9, 0.031))

    asyncio.run(tasks())
    truth.wall["all"] += time.perf_counter() - wall
    truth.cpu["all"] += time.thread_time() - cpu


def record(case: str, seconds: float) -> dict[str, Any]:
    """Run one case under the profiler; return the truth and what was measured, in percent by part."""
    from profilerkit.interfaces import CaptureFiles
    from profilerkit.model import ProcessIdentity, Subject, Target
    from profilerkit_cpu.profiler import CpuProfiler

    calibrate()
    truth = Truth()
    profiler = CpuProfiler()
    target = Target(ProcessIdentity(os.getpid(), 0), Subject("script"), threading.get_native_id())
    with tempfile.TemporaryDirectory() as folder:
        profiler.start(Path(folder), target)
        if case in MAIN_THREAD:
            program(MAIN_THREAD[case], seconds, truth)
        elif case in WORKERS:
            program_of_threads(WORKERS[case], seconds, truth)
        else:
            program_of_coroutines(seconds, truth)
        profiler.stop()
        reading = CpuProfiler.read(CaptureFiles(Path(folder)))
    parts = [each for each in truth.wall if each != "all"]
    return {
        "notes": reading.notes,
        "truth": {"wall": percent(truth.wall, parts), "cpu": percent(truth.cpu, parts)},
        "measured": {
            metric.name: percent(seconds_by_part(reading.stacks, index, parts), parts)
            for index, metric in enumerate(reading.stacks.metrics)
        },
    }


def seconds_by_part(tree: Any, metric: int, parts: list[str]) -> Counter[str]:
    """Sum the seconds below each part, and of the whole program."""
    programs = ("program", "program_of_coroutines")
    owners: list[str | None] = [None]
    found: Counter[str] = Counter()
    for node in range(1, len(tree.parents)):
        name = tree.frames[tree.frame_ids[node]].function
        owner = owners[tree.parents[node]]
        if name in programs:
            owner = "elsewhere"
        elif owner == "elsewhere" and name in parts:
            owner = name
        owners.append(owner)
        if owner is not None:
            found[owner] += tree.self_values[metric][node]
            found["all"] += tree.self_values[metric][node]
    return found


def percent(seconds: Counter[str], parts: list[str]) -> dict[str, float]:
    """Return shares of the whole, in percent."""
    shares = {each: 100 * seconds[each] / seconds["all"] for each in parts}
    return {**shares, "elsewhere": 100 - sum(shares.values())}


def compare(case: str, runs: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Run one case several times; yield a row for each metric and part."""
    results = []
    for _ in range(runs):
        command = [sys.executable, __file__, "--worker", case, "--seconds", str(seconds)]
        results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    for metric in ("wall", "cpu"):
        for part in results[0]["truth"][metric]:
            truth = [each["truth"][metric][part] for each in results]
            measured = [each["measured"][metric][part] for each in results]
            error = statistics.median(m - t for m, t in zip(measured, truth, strict=True))
            yield {
                "case": case,
                "metric": metric,
                "part": part,
                "truth_percent": round(statistics.median(truth), 1),
                "measured_percent": round(statistics.median(measured), 1),
                "error_points": round(error, 1),
                "worst_points": round(max(abs(m - t) for m, t in zip(measured, truth, strict=True)), 1),
                "missed": case not in NO_BAR and abs(error) > BAR_POINTS,
            }


def table_line(row: dict[str, Any]) -> str:
    """Return a row as text."""
    mark = "MISSED" if row["missed"] else "(no bar)" if row["case"] in NO_BAR else ""
    return (
        f"{row['case']:17} {row['metric']:6} {row['part']:10} {row['truth_percent']:6.1f}% "
        f"{row['measured_percent']:8.1f}% {row['error_points']:+6.1f} {row['worst_points']:6.1f} {mark}"
    )


def main() -> int:
    """Run the cases; return 1 if one missed the bar."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(record(arguments.worker, arguments.seconds)))
        return 0
    rows = []
    if not arguments.json:
        print(f"{'case':17} {'metric':6} {'part':10} {'truth':>7} {'measured':>9} {'error':>6} {'worst':>6}")
    for case in arguments.case or CASES:
        for row in compare(case, arguments.runs, arguments.seconds):
            rows.append(row)
            if not arguments.json:
                print(table_line(row), flush=True)
    if arguments.json:
        print(json.dumps(rows, indent=1))
    return int(any(each["missed"] for each in rows))


if __name__ == "__main__":
    sys.exit(main())
