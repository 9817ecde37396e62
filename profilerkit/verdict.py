"""Say in plain words how a recording ended, and what was responsible for most."""

from __future__ import annotations

from collections.abc import Mapping

from profilerkit.model import Recording, Status
from profilerkit.reading import Reading
from profilerkit.stacks.fold import own_hot, whole
from profilerkit.stacks.units import format_share, format_value


def verdict(recording: Recording, readings: Mapping[str, Reading]) -> list[str]:
    """Return in plain words how it ended, and which line of own code was responsible for most."""
    lines = [ending(recording)]
    for name, unit, words in (
        ("memray", "bytes", "held at the peak of the heap"),
        ("cpu", "seconds", "of CPU time"),
    ):
        reading = readings.get(name)
        row = (
            next(iter(own_hot(reading, limit=1)), None)
            if reading is not None and has_functions(reading)
            else None
        )
        if row is not None and reading is not None and row.self_value > 0:
            share = format_share(row.self_value, whole(reading))
            lines.append(
                f"{format_value(row.self_value, unit)} ({share}) {words} by {row.function}, "
                f"{row.file}:{row.line}"
            )
    return lines


def ending(recording: Recording) -> str:
    """Return in one sentence whether it ended, and how."""
    lasted = format_value(recording.duration_seconds, "seconds")
    if recording.status is Status.RUNNING:
        return f"Still running after {lasted}; this is what is known so far."
    evidence = "; ".join(each.text for each in recording.evidence if each.kind != "exit")
    exits = next((each.text for each in recording.evidence if each.kind == "exit"), None)
    if recording.status is Status.INTERRUPTED:
        return f"Interrupted after {lasted}: {evidence or 'nobody knows why'}."
    told = evidence or exits
    return f"Ended after {lasted}{': ' + told if told else ''}."


def has_functions(reading: Reading) -> bool:
    """Tell whether anything is known by function."""
    return bool({"stacks", "functions"} & set(reading.contents))
