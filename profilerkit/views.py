"""Turn recordings into the JSON that `--json` promises; the schemas are in the reference."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from profilerkit.model import Capture, Recording
from profilerkit.reading import Reading
from profilerkit.stacks.fold import hot
from profilerkit.verdict import has_functions

HOT_ROWS = 50
ALWAYS = ("peak_rss_bytes", "peak_heap_bytes", "cpu_seconds")


def list_json(recording: Recording) -> dict[str, Any]:
    """Return one object of `list --json`."""
    return {
        "id": recording.id,
        "kind": recording.subject.kind,
        "names": dict(recording.subject.names),
        "status": recording.status.value,
        "outcome": None if recording.outcome is None else recording.outcome.value,
        "started_at": time_json(recording.started_at),
        "ended_at": None if recording.ended_at is None else time_json(recording.ended_at),
        "duration_seconds": recording.duration_seconds,
        "profilers": [each.profiler for each in recording.captures],
        "summary": {
            **dict.fromkeys(ALWAYS),
            **{name: _number(name, value) for name, value in recording.summary.items()},
        },
        "labels": dict(recording.labels),
        "parent_id": recording.parent_id,
    }


def show_json(
    recording: Recording, readings: Mapping[str, Reading], errors: Mapping[str, str]
) -> dict[str, Any]:
    """Return the object of `show --json`."""
    return {
        **list_json(recording),
        "captures": [_capture_json(each, readings, errors) for each in recording.captures],
        "evidence": [
            {"kind": each.kind, "text": each.text, "data": dict(each.data)} for each in recording.evidence
        ],
        "warnings": list(recording.warnings),
        "environment": dict(recording.environment),
        "hot": {name: hot_json(reading) for name, reading in readings.items() if has_functions(reading)},
    }


def _number(name: str, value: float | None) -> float | None:
    """Return bytes and counts as the whole numbers that they are."""
    whole = value is not None and not name.endswith("_seconds") and float(value).is_integer()
    return int(value) if whole and value is not None else value


def hot_json(reading: Reading) -> list[dict[str, Any]]:
    """Return the hottest functions of a reading, by self value, descending."""
    return [
        {
            "function": row.function,
            "file": row.file,
            "line": row.line,
            "self": row.self_value,
            "total": row.total_value,
            "unit": row.unit,
        }
        for row in hot(reading, limit=HOT_ROWS)
    ]


def _capture_json(
    capture: Capture, readings: Mapping[str, Reading], errors: Mapping[str, str]
) -> dict[str, Any]:
    reading = readings.get(capture.profiler)
    return {
        "profiler": capture.profiler,
        "status": capture.status.value,
        "placement": capture.placement.value,
        "error": capture.error,
        "reading_error": errors.get(capture.profiler),
        "options": dict(capture.options),
        "versions": dict(capture.versions),
        "files": [attrs.asdict(each) for each in capture.files],
        "notes": [] if reading is None else list(reading.notes),
    }


def time_json(time: datetime) -> str:
    """Return a time as RFC 3339 in UTC."""
    return time.isoformat().replace("+00:00", "Z")
