"""Turn a comparison into the JSON that `diff --json` promises; its schema is in the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from profilerkit.comparison import Comparison, Figure, ProfilerDiff
from profilerkit.stacks.diff import DiffRow, MetricDiff
from profilerkit.views import list_json


def diff_json(found: Comparison) -> dict[str, Any]:
    """Return the object of `diff --json`."""
    return {
        "a": list_json(found.a),
        "b": list_json(found.b),
        "notes": list(found.notes),
        "environment": [
            {"kind": each.kind, "name": each.name, "a": each.a, "b": each.b} for each in found.environment
        ],
        "figures": {each.name: _figure_json(each) for each in found.figures},
        "profilers": {name: _profiler_json(each) for name, each in found.profilers.items()},
    }


def _figure_json(each: Figure) -> dict[str, Any]:
    return {"a": _plain(each.a), "b": _plain(each.b), "change": _plain(each.change)}


def _profiler_json(each: ProfilerDiff) -> dict[str, Any]:
    return {
        "problem": each.problem,
        "notes": list(each.notes),
        # Of two metrics of one name the first counts, as in every report that takes one by its name.
        "metrics": {found.metric.name: _metric_json(found) for found in reversed(each.metrics)},
    }


def _metric_json(found: MetricDiff) -> dict[str, Any]:
    return {
        "unit": found.metric.unit,
        "a": _plain(found.a),
        "b": _plain(found.b),
        "change": _plain(found.change),
        "functions": _rows_json(found.functions),
        "own": _rows_json(found.own),
    }


def _rows_json(rows: Sequence[DiffRow]) -> list[dict[str, Any]]:
    return [
        {
            "function": row.function,
            "file": row.file,
            "a": _plain(row.a),
            "b": _plain(row.b),
            "change": _plain(row.change),
            "unit": row.unit,
        }
        for row in rows
    ]


def _plain(value: float | None) -> float | None:
    """Return whole numbers as integers, which mean the same in JSON."""
    return int(value) if value is not None and float(value).is_integer() else value
