"""Read all that can be read of a recording: every capture's reading, or why there is none."""

from __future__ import annotations

import attrs

from profilerkit.errors import ProfilerKitError
from profilerkit.model import Recording, Status
from profilerkit.reading import Reading
from profilerkit.readings import merged_summary
from profilerkit.render import Shelf, get_reading


def read_all(shelf: Shelf, profiler: str | None = None) -> tuple[dict[str, Reading], dict[str, str]]:
    """Return the readings of all captures that can be read, and why the others cannot, by profiler.

    Of one profiler only, when it is named: a large capture takes its time. While a recording runs, what
    a reader notes of a capture that has no end yet is left out.
    """
    runs = shelf.recording.status is Status.RUNNING
    readings: dict[str, Reading] = {}
    errors: dict[str, str] = {}
    for capture in shelf.recording.captures:
        nothing = capture.status in (Status.SKIPPED, Status.FAILED) or not capture.files
        if nothing or profiler not in (None, capture.profiler):
            continue
        try:
            reading = get_reading(shelf, capture)
            readings[capture.profiler] = attrs.evolve(reading, notes=()) if runs else reading
        except ProfilerKitError as error:
            errors[capture.profiler] = str(error)
    return readings, errors


def with_peaks(recording: Recording, readings: dict[str, Reading]) -> Recording:
    """Return the recording with the summary that its readings give, also when none was stored yet."""
    return attrs.evolve(recording, summary=merged_summary(dict(recording.summary), readings))
