"""Test how numbers are shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profilerkit.stacks import format_value
from profilerkit.stacks.units import format_share


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0, "bytes", "0 B"),
        (1023, "bytes", "1023 B"),
        (1023.7, "bytes", "1.0 KiB"),
        (1024, "bytes", "1.0 KiB"),
        (1024**2 - 1, "bytes", "1.0 MiB"),
        (1.5 * 1024**2, "bytes", "1.5 MiB"),
        (-3 * 1024**3, "bytes", "-3.0 GiB"),
        (2 * 1024**4, "bytes", "2.0 TiB"),
        (5000 * 1024**5, "bytes", "5000 PiB"),
        (0, "seconds", "0 s"),
        (0.0000123, "seconds", "12.3 µs"),
        (0.0123, "seconds", "12.3 ms"),
        (0.9999, "seconds", "1 s"),
        (1.234, "seconds", "1.23 s"),
        (59.98, "seconds", "1 min 00 s"),
        (125, "seconds", "2 min 05 s"),
        (3599.9, "seconds", "1 h 00 min"),
        (100_000, "seconds", "27 h 47 min"),
        (1e302, "seconds", "1e+302 s"),
        (7, "count", "7"),
        (1234567, "count", "1,234,567"),
        (12.345, "count", "12.3"),
        (1234.56, "", "1,234.6"),
        (1e30, "count", "1e+30"),
        (37.5, "percent", "37.5 percent"),
        (None, "bytes", "unknown"),
        (math.nan, "seconds", "unknown"),
        (math.inf, "count", "unknown"),
    ],
)
def test_value_has_a_unit_that_suits_its_size(value: float | None, unit: str, shown: str) -> None:
    """Binary units for bytes, clock units for time, separators for counts; unknown stays unknown."""
    assert format_value(value, unit) == shown


@given(st.none() | st.floats(), st.sampled_from(["bytes", "seconds", "count", "percent"]))
def test_any_number_is_one_short_line(value: float | None, unit: str) -> None:
    """No number breaks a table."""
    shown = format_value(value, unit)
    assert shown.isprintable()
    assert len(shown) < 30


@pytest.mark.parametrize(
    ("value", "whole", "shown"), [(1, 4, "25.0%"), (0, 4, "0.0%"), (1, 0, "-"), (math.nan, 1, "-")]
)
def test_share_of_nothing_is_a_dash(value: float, whole: float, shown: str) -> None:
    """A percentage needs a whole."""
    assert format_share(value, whole) == shown
