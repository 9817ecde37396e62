"""Tables show what they are given, whatever that is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from profilerkit.cli.tables import local_time, recordings_table
from tests.store.samples import a_recording

LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
FIRST = datetime(1, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(params=["Asia/Tokyo", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Be in another zone for a time."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_times_are_local_unless_no_calendar_has_them(zone: str) -> None:
    """One event with such a date must not hide all others."""
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    told = {"Asia/Tokyo": "2026-01-01 21:00:00 +0900", "America/New_York": "2026-01-01 07:00:00 -0500"}
    assert local_time(noon) == told[zone]
    assert "-12-31 23:59:59 +0000" in local_time(LAST) or zone != "Asia/Tokyo"
    assert "-01-01 00:00:00 +0000" in local_time(FIRST) or zone == "Asia/Tokyo"
    for width in (80, 200):
        table = recordings_table([a_recording(started_at=LAST), a_recording(started_at=FIRST)], width)
        assert table.row_count == 2
