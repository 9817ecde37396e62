"""Work out what the page of a recording shows of its readings: small enough to keep, and to send."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from profilerkit.codec import recording_to_json
from profilerkit.contents import read_all, with_peaks
from profilerkit.errors import ProfilerKitError
from profilerkit.model import Recording
from profilerkit.reading import Reading, Timeline
from profilerkit.render import StoreShelf, list_reports
from profilerkit.stacks.flamegraph import compact
from profilerkit.stacks.fold import HotRow, hot, metrics, own_hot, whole
from profilerkit.verdict import has_functions
from profilerkit.views import time_json

GROUPINGS = ("function", "line", "module")
ROWS = 100
OWN_ROWS = 50
POINTS = 2000
"""So many points a line has at most: more than a screen has columns."""
PEAK_LINES = ("rss", "heap")
"""The lines whose highest point is the peak, the first that is there."""


def overview(shelf: StoreShelf) -> tuple[dict[str, Any], dict[str, Reading]]:
    """Return what is told of a recording, and its readings."""
    readings, errors = read_all(shelf)
    recording = with_peaks(shelf.recording, readings)
    found = {
        "recording": recording_to_json(recording).decode("ascii"),
        "errors": errors,
        "notes": {name: list(each.notes) for name, each in readings.items()},
        "contents": {name: list(each.contents) for name, each in readings.items()},
        "hot": [table for name, each in readings.items() for table in _tables(name, each, errors)],
        "reports": [attrs.asdict(each) for each in list_reports(shelf)],
        "peak": peak(readings),
    }
    return found, readings


def _tables(profiler: str, reading: Reading, errors: dict[str, str]) -> list[dict[str, Any]]:
    """Return the hot frames of every metric; a reading that is damaged gives none, and an error."""
    if not has_functions(reading):
        return []
    found = []
    try:
        for number, metric in enumerate(metrics(reading)):
            found.append(
                {
                    "profiler": profiler,
                    "metric": metric.name,
                    "unit": metric.unit,
                    "whole": whole(reading, number),
                    "own": {by: _rows(own_hot(reading, number, limit=OWN_ROWS, by=by)) for by in GROUPINGS},
                    "all": {by: _rows(hot(reading, number, limit=ROWS, by=by)) for by in GROUPINGS},
                }
            )
    except ProfilerKitError as error:
        errors[profiler] = str(error)
        return []
    return found


def _rows(rows: Sequence[HotRow]) -> list[list[Any]]:
    """Return rows as lists: function, file, line, self, total, own."""
    return [[row.function, row.file, row.line, row.self_value, row.total_value, row.own] for row in rows]


def peak(readings: Mapping[str, Reading]) -> dict[str, Any] | None:
    """Return the highest point of the memory's line: its name, value and time.

    Of several such lines it is that of `resources`, whose peak is the recording's too.
    """
    order = sorted(readings, key=lambda each: each != "resources")
    lines = [line for each in order for line in readings[each].timelines if line.values]
    for name in PEAK_LINES:
        best = next((line for line in lines if line.name == name), None)
        if best is not None:
            number = max(range(len(best.values)), key=best.values.__getitem__)
            return {"name": name, "value": best.values[number], "at_seconds": best.times_seconds[number]}
    return None


def timelines(recording: Recording, readings: Mapping[str, Reading]) -> dict[str, Any]:
    """Return every line over time, on the clock of the recording."""
    ended = next((each for each in recording.evidence if each.kind in ("signal", "silent_end")), None)
    at = recording.duration_seconds
    return {
        "started_at": time_json(recording.started_at),
        "duration_seconds": at,
        "ended": None if ended is None or at is None else {"text": _end_words(ended.text), "at": at},
        "limit_bytes": recording.summary.get("container_limit_bytes"),
        "peak": peak(readings),
        "series": [
            {
                "profiler": name,
                "name": line.name,
                "unit": line.unit,
                "times_seconds": [round(each, 4) for each in times],
                "values": compact(values),
            }
            for name, reading in readings.items()
            for line in reading.timelines
            for times, values in [thinned(line)]
        ],
    }


def _end_words(text: str) -> str:
    return text.removeprefix("ended by ") if text.startswith("ended by ") else "ended"


def thinned(line: Timeline, points: int = POINTS) -> tuple[list[float], list[float]]:
    """Return a line with so many points at most; the highest and the lowest of every stretch stay."""
    times, values = list(line.times_seconds), list(line.values)
    if len(times) <= points:
        return times, values
    span = (times[-1] - times[0]) or 1.0
    stretches = points // 2
    kept: set[int] = {0, len(times) - 1}
    begin = 0
    for number in range(1, stretches + 1):
        end = bisect.bisect_right(times, times[0] + span * number / stretches, lo=begin)
        if end > begin:
            inside = range(begin, end)
            kept.add(max(inside, key=values.__getitem__))
            kept.add(min(inside, key=values.__getitem__))
        begin = end
    order = sorted(kept)
    return [times[each] for each in order], [values[each] for each in order]
