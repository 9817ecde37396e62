"""Test timelines as CSV, which people open in spreadsheets."""

from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import timelines

from profilerkit.reading import Timeline
from profilerkit.stacks.names import csv_cell
from profilerkit.stacks.timeline import write_timelines
from profilerkit.testing.reports import check_csv


def written(*timelines: Timeline) -> str:
    """Return what is written of these timelines."""
    file = io.StringIO(newline="")
    write_timelines(timelines, file)
    return file.getvalue()


def test_one_row_a_value() -> None:
    """Rows are in the order of the timelines; whole numbers are written as such."""
    rss = Timeline("rss", "bytes", [0.0, 0.25], [1024.0, 2048.5])
    cpu = Timeline("cpu", "seconds", [1.0], [-0.125])
    assert written(rss, cpu) == (
        "time_seconds,name,unit,value\n0,rss,bytes,1024\n0.25,rss,bytes,2048.5\n1,cpu,seconds,-0.125\n"
    )


def test_unknown_values_are_empty_cells() -> None:
    """What is not finite has no number to show."""
    assert written(Timeline("x", "count", [0.0, 1.0], [math.nan, math.inf])).splitlines()[1:] == [
        "0,x,count,",
        "1,x,count,",
    ]


@given(st.lists(timelines(st.floats()), max_size=4))
def test_any_name_is_harmless_and_any_number_comes_back(drawn: list[Timeline]) -> None:
    """No row is torn, no cell is a formula, and finite numbers are exact."""
    text = written(*drawn)
    check_csv(text)
    rows = list(csv.DictReader(text.splitlines()))
    expected = [value for timeline in drawn for value in timeline.values]
    assert [float(row["value"]) for row in rows if row["value"]] == list(filter(math.isfinite, expected))
    assert len(rows) == len(expected)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  -1", "  '-1"),
        ("\t=1", "\\t=1"),
        ("a;=1+1", "a;'=1+1"),
        ("a,b-c", "a,b-c"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("peak rss", "peak rss"),
        ("a\nb", "a\\nb"),
    ],
)
def test_formulas_are_defused(name: str, cell: str) -> None:
    """What a spreadsheet would calculate gets an apostrophe; other names stay as they are."""
    assert csv_cell(name) == cell
