"""Write a reading as JSON, and take one from JSON that anybody may have made."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from profilerkit.errors import FormatError
from profilerkit.reading import (
    Edge,
    Frame,
    FunctionStat,
    Metric,
    Reading,
    Span,
    StackTree,
    Timeline,
)

FORMAT = 1

MOST_BYTES = 64 << 20
"""A reading that is longer as JSON is not taken over: in memory it would take ten times as much."""
MOST_LISTS = 4_000_000
"""Nor one with more lists in it: the JSON of an empty one is 25 times smaller than itself."""


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """Return the compact JSON form, described in the reference of the store format."""
    frames: dict[Frame, int] = {}

    def index(frame: Frame) -> int:
        return frames.setdefault(frame, len(frames))

    data: dict[str, Any] = {
        "format": FORMAT,
        "summary": dict(reading.summary),
        "timelines": [
            {"name": t.name, "unit": t.unit, "times_seconds": list(t.times_seconds), "values": list(t.values)}
            for t in reading.timelines
        ],
        "stacks": None,
        "functions": [[index(f.frame), f.self_value, f.total_value, f.calls] for f in reading.functions],
        "functions_metric": _metric_json(reading.functions_metric),
        "edges": [[e.caller, e.callee, e.value, e.calls] for e in reading.edges],
        "spans": [[s.name, s.track, s.start_seconds, s.end_seconds] for s in reading.spans],
        "notes": list(reading.notes),
    }
    tree = reading.stacks
    if tree is not None:
        ids = [index(frame) for frame in tree.frames]
        data["stacks"] = {
            "metrics": [_metric_json(metric) for metric in tree.metrics],
            "parents": list(tree.parents),
            "frames": [-1 if each < 0 else ids[each] for each in tree.frame_ids],
            "self": [list(values) for values in tree.self_values],
        }
    data["frames"] = [[f.function, f.path, f.line, f.root] for f in frames]
    return data


def reading_from_json(data: Mapping[str, Any]) -> Reading:
    """Return the reading that `reading_to_json` wrote.

    Raises FormatError when the data is damaged or of a newer format.
    """
    try:
        if int(data["format"]) > FORMAT:
            raise FormatError(
                f"This reading has format {str(data['format'])[:20]}; this version reads up to {FORMAT}.",
                "Install a newer profilerkit.",
            )
        frames = tuple(Frame(str(f), str(p), int(line), str(root)) for f, p, line, root in data["frames"])
        return Reading(
            summary={str(name): _finite_or_none(value) for name, value in data["summary"].items()},
            timelines=tuple(_timeline(each) for each in data["timelines"]),
            stacks=_tree_from_json(data["stacks"], frames),
            functions=tuple(
                FunctionStat(frames[i], _finite(own), _finite(total), None if calls is None else int(calls))
                for i, own, total, calls in data["functions"]
            ),
            functions_metric=_metric(data["functions_metric"]),
            edges=tuple(
                Edge(int(a), int(b), _finite(value), None if calls is None else int(calls))
                for a, b, value, calls in data["edges"]
            ),
            spans=tuple(
                Span(str(name), str(track), _finite(start), _finite(end))
                for name, track, start, end in data["spans"]
            ),
            notes=tuple(str(note) for note in data["notes"]),
        )
    except FormatError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError(f"This reading is damaged ({repr(error)[:200]}).") from error


def reading_from_bytes(data: bytes) -> Reading:
    """Return the reading in the JSON of one, which may be hostile.

    Raises FormatError when it is damaged, too large, or of a newer format.
    """
    if len(data) > MOST_BYTES or data.count(b"[") > MOST_LISTS:
        raise FormatError(f"This reading is damaged, or too large ({len(data) >> 20} MiB).")
    try:
        return reading_from_json(json.loads(data.decode("utf-8", "surrogatepass")))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"This reading is damaged ({str(error)[:200]}).") from error


def _finite(value: Any) -> float:
    """Return a number as it is; raise ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


def _finite_or_none(value: Any) -> float | None:
    return None if value is None else _finite(value)


def _timeline(data: Mapping[str, Any]) -> Timeline:
    times = [_finite(each) for each in data["times_seconds"]]
    values = [_finite(each) for each in data["values"]]
    if len(times) != len(values):
        raise ValueError("a timeline has as many times as values")
    return Timeline(str(data["name"]), str(data["unit"]), times, values)


def _tree_from_json(data: Mapping[str, Any] | None, frames: tuple[Frame, ...]) -> StackTree | None:
    if data is None:
        return None
    parents = [int(each) for each in data["parents"]]
    frame_ids = [int(each) for each in data["frames"]]
    values = tuple([_finite(each) for each in column] for column in data["self"])
    metrics = tuple(_a_metric(each) for each in data["metrics"])
    well_formed = (
        parents[:1] == [-1]
        and all(0 <= parent < node for node, parent in enumerate(parents[1:], 1))
        and len(frame_ids) == len(parents)
        and all(0 <= each < len(frames) for each in frame_ids[1:])
        and len(values) == len(metrics)
        and all(len(column) == len(parents) for column in values)
    )
    if not well_formed:
        raise FormatError("This reading is damaged (its call tree does not fit together).")
    return StackTree(metrics, frames, parents, frame_ids, values)


def _metric_json(metric: Metric | None) -> dict[str, str] | None:
    return None if metric is None else {"name": metric.name, "unit": metric.unit}


def _metric(data: Mapping[str, str] | None) -> Metric | None:
    return None if data is None else _a_metric(data)


def _a_metric(data: Mapping[str, str]) -> Metric:
    return Metric(str(data["name"]), str(data["unit"]))
