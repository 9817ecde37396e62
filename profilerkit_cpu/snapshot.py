"""Gather what a capture holds from a recorder, at any time."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from profilerkit_cpu.capture import FORMAT, encode

if TYPE_CHECKING:
    from profilerkit_cpu.recorder import Recorder

MOST_UNTICKED_SECONDS = 0.02
"""CPU time since the last tick is spread over all ticks up to here; more of it is one long C call."""


def columns(recorder: Recorder) -> tuple[array[float], array[float]]:
    """Return the CPU and wall columns of the sampler's tree, with what is not assigned yet."""
    tree = recorder.sampler.tree
    cpu, wall = tree.columns["cpu"][:], tree.columns["wall"][:]
    for node, (more_cpu, more_wall) in recorder.sampler.owed().items():
        cpu[node] += more_cpu
        wall[node] += more_wall
    unticked = _unticked_seconds(recorder)
    if unticked:
        cpu[recorder.main_account.node] += unticked
        wall[recorder.main_account.node] += unticked
    return cpu, wall


def facts(recorder: Recorder) -> dict[str, Any]:
    """Return all but the trees."""
    main = recorder.main_account.group
    whole = recorder.ticks.covers and not _unticked_seconds(recorder)
    times, cpu = recorder.timeline.until(recorder.wall_seconds, recorder.process_cpu_seconds)
    return {
        "format": FORMAT,
        "engine": "sampler",
        "complete": recorder.complete,
        "began_unix_seconds": recorder.began_unix_seconds,
        "began_monotonic_seconds": recorder.began_seconds,
        "wall_seconds": recorder.wall_seconds,
        "process_cpu_seconds": recorder.process_cpu_seconds,
        "own_cpu_seconds": recorder.own_cpu_seconds,
        "look_count": recorder.sampler.looks,
        "tick_count": recorder.ticks.looks,
        "longest_gap_seconds": recorder.sampler.longest_gap_seconds,
        "has_thread_clocks": recorder.sampler.has_clocks,
        "main_thread": {
            "name": main.name,
            "ticked_cpu_seconds": main.cpu if whole else recorder.ticks.accounted_seconds,
        },
        "threads": [
            {
                "name": each.name,
                "node": each.node,
                "count": each.count,
                "cpu_seconds": each.cpu,
                "wall_seconds": each.wall,
                "queued_seconds": each.queued,
            }
            for each in recorder.sampler.threads.groups.values()
        ],
        "timeline": {"times": encode(times), "cpu_seconds": encode(cpu)},
        "notes": _notes(recorder),
    }


def _unticked_seconds(recorder: Recorder) -> float:
    """Return the main thread's CPU seconds since the last tick, if they are many."""
    if not recorder.ticks.covers:
        return 0.0
    seconds = recorder.main_account.group.cpu - recorder.ticks.accounted_seconds
    return seconds if seconds > MOST_UNTICKED_SECONDS or not recorder.ticks.looks else 0.0


def _notes(recorder: Recorder) -> list[str]:
    notes = list(recorder.notes)
    sampler, ticks = recorder.sampler, recorder.ticks
    if ticks.ended is not None:
        notes.append(f"From some point on, bursts of under 5 ms between waits may be missed: {ticks.ended}.")
    if not sampler.has_clocks:
        notes.append("This system does not tell the CPU time of each thread: there is wall time only.")
    elif sampler.threads.without_clock:
        count = sampler.threads.without_clock
        notes.append(f"Threads whose CPU time is unknown, since `threading` did not start them: {count}.")
    if sampler.tree.full or ticks.tree.full:
        notes.append("The call tree reached its limit: from then on some callees count with their caller.")
    return notes
