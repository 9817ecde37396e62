"""Lay out tables and figures for a terminal; in a pipe they are plain and never cut."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from rich.console import Console
from rich.table import Table
from rich.text import Text

from profilerkit.model import Outcome, Recording, Status
from profilerkit.stacks.names import printable
from profilerkit.stacks.units import format_value

PIPE_WIDTH = 1000
LONGEST_LABELS = 60
SHORTEST_ID = 13
"""The part of an id that is its time."""

STYLES = {
    Status.COMPLETE: "green",
    Status.PARTIAL: "yellow",
    Status.INTERRUPTED: "bold red",
    Status.RUNNING: "cyan",
    Status.FAILED: "red",
    Status.SKIPPED: "yellow",
    Outcome.SUCCESS: "green",
    Outcome.FAILED: "red",
    Outcome.KILLED: "bold red",
    Outcome.TIMEOUT: "red",
}


def console(*, stderr: bool = False) -> Console:
    """Return the console for results: colours on a terminal (not with NO_COLOR), full width in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, width=width, soft_wrap=False, highlight=False, emoji=False)


def plain_table(*columns: tuple[str, str]) -> Table:
    """Return an empty table of ours; each column is a heading and `left` or `right`; no headings, no head."""
    table = Table(
        box=None,
        show_header=any(heading for heading, _ in columns),
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for heading, side in columns:
        table.add_column(
            heading, justify="right" if side == "right" else "left", no_wrap=True, overflow="ellipsis"
        )
    return table


def text(value: object, style: str = "") -> Text:
    """Return any value as text that cannot harm a terminal, and is no markup."""
    return Text(printable(str(value)), style=style)


WIDE, MIDDLE = 132, 104
"""From these widths on a terminal shows all columns, or all but labels and the peak of the heap."""


def recordings_table(found: Sequence[Recording], width: int) -> Table:
    """Return the table of `list` with the columns that fit; only names and labels are ever cut."""
    short = _short_ids([each.id for each in found])
    columns = _columns(width, labelled=any(each.labels for each in found))
    table = plain_table(*((heading, side) for heading, side in COLUMNS.items() if heading in columns))
    for each in found:
        cells = _cells(each, short[each.id], exact=width >= MIDDLE)
        table.add_row(*(cells[heading] for heading in COLUMNS if heading in columns))
    for column in table.columns:
        if column.header not in ("NAME", "LABELS"):
            column.min_width = max([len(str(column.header)), *(len(str(cell)) for cell in column.cells)])
    return table


COLUMNS = {
    "ID": "left", "NAME": "left", "STATUS": "left", "OUTCOME": "left", "STARTED": "left", "DURATION": "right",
    "PEAK RSS": "right", "PEAK HEAP": "right", "CPU": "right", "LABELS": "left",
}  # fmt: skip


def _columns(width: int, *, labelled: bool) -> set[str]:
    """Return the headings that fit into a terminal, the least telling left out first."""
    left_out = set() if labelled else {"LABELS"}
    if width < WIDE:
        left_out |= {"LABELS", "PEAK HEAP"}
    if width < MIDDLE:
        left_out |= {"OUTCOME"}
    return set(COLUMNS) - left_out


def _cells(each: Recording, short_id: str, *, exact: bool) -> dict[str, Text]:
    outcome = each.outcome
    started = _local(each.started_at)
    return {
        "ID": text(short_id, "cyan"),
        "NAME": text(each.subject),
        "STATUS": text(each.status.value, STYLES.get(each.status, "")),
        "OUTCOME": text("" if outcome is None else outcome.value, STYLES.get(outcome, "") if outcome else ""),
        "STARTED": text(local_time(each.started_at) if exact else started.strftime("%m-%d %H:%M")),
        "DURATION": text(format_value(each.duration_seconds, "seconds")),
        "PEAK RSS": text(_known(each.summary.get("peak_rss_bytes"), "bytes")),
        "PEAK HEAP": text(_known(each.summary.get("peak_heap_bytes"), "bytes")),
        "CPU": text(_known(each.summary.get("cpu_seconds"), "seconds")),
        "LABELS": text(_labels(each), "dim"),
    }


def local_time(time: datetime) -> str:
    """Return a time in this machine's zone, with the offset."""
    return _local(time).strftime("%Y-%m-%d %H:%M:%S %z")


def _local(time: datetime) -> datetime:
    """Return a time in this machine's zone; in UTC where no calendar has that."""
    try:
        return time.astimezone()
    except (OverflowError, ValueError, OSError):
        return time.astimezone(timezone.utc)


def _labels(each: Recording) -> str:
    words = " ".join(f"{key}={value}" for key, value in each.labels.items())
    return words if len(words) <= LONGEST_LABELS else f"{words[:LONGEST_LABELS]}…"


def _known(value: float | None, unit: str) -> str:
    return "" if value is None else format_value(value, unit)


def _short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return for each id the shortest beginning that fits no other of them, not under 13 characters."""
    short = {}
    for each in ids:
        length = SHORTEST_ID
        while sum(other.startswith(each[:length]) for other in ids) > 1 and length < len(each):
            length += 1
        short[each] = each[:length]
    return short


BLOCKS = " ▁▂▃▄▅▆▇█"


def area_chart(
    times: Sequence[float], values: Sequence[float], *, width: int, height: int, end: float
) -> list[str]:
    """Return the rows of a chart, top first: the highest value in each of `width` equal stretches of time.

    Stretches without a value take the one before.
    """
    columns: list[float | None] = [None] * width
    for time, value in zip(times, values, strict=False):
        column = min(width - 1, max(0, int(time / end * width))) if end > 0 else 0
        columns[column] = max(value, columns[column] or 0.0)
    filled = []
    last = 0.0
    for each in columns:
        last = last if each is None else each
        filled.append(last)
    top = max(filled, default=0.0) or 1.0
    eighths = [round(each / top * height * 8) for each in filled]
    return [
        "".join(BLOCKS[min(8, max(0, each - 8 * row))] for each in eighths) for row in reversed(range(height))
    ]
