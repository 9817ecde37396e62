"""Write the timelines of a reading as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from typing import TextIO

from profilerkit.reading import Timeline
from profilerkit.stacks.names import csv_cell

COLUMNS = ("time_seconds", "name", "unit", "value")


def write_timelines(timelines: Iterable[Timeline], file: TextIO) -> None:
    """Write one row for each value of each timeline, one timeline after the other.

    A number that is not finite is an empty cell. `file` must be opened with `newline=""`.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for timeline in timelines:
        name, unit = csv_cell(timeline.name), csv_cell(timeline.unit)
        # A timeline of a damaged capture may lack values at its end.
        for time_seconds, value in zip(timeline.times_seconds, timeline.values, strict=False):
            writer.writerow((_number(time_seconds), name, unit, _number(value)))


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == value // 1 and abs(value) < 2**53 else repr(float(value))
