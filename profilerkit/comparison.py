"""Work out what differs between two recordings: where and how they ran, their figures, their functions."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

from profilerkit.contents import read_all, with_peaks
from profilerkit.errors import CaptureError, ProfilerKitError, UsageError
from profilerkit.model import Capture, Recording, Status
from profilerkit.reading import Reading
from profilerkit.render import Shelf
from profilerkit.stacks.diff import MetricDiff, diff
from profilerkit.stacks.fold import metrics

COSTS = "overhead"
"""The part of the environment that says what recording cost: it differs every time."""


@attrs.frozen
class Side:
    """One of the two recordings, with what could be read of it."""

    recording: Recording
    readings: Mapping[str, Reading]
    errors: Mapping[str, str]
    """By profiler: why its capture cannot be read."""


@attrs.frozen
class Difference:
    """One thing that was recorded of how both ran, and is not the same."""

    kind: str
    """`environment`, `variable`, `label`, `option` or `version`."""
    name: str
    a: Any
    """None where A does not have it."""
    b: Any


@attrs.frozen
class Figure:
    """One number of both; None where it is not known."""

    name: str
    a: float | None
    b: float | None

    @property
    def change(self) -> float | None:
        """Return by how much it grew."""
        return None if self.a is None or self.b is None else self.b - self.a


@attrs.frozen
class ProfilerDiff:
    """What one profiler saw of both, or why that cannot be compared."""

    metrics: tuple[MetricDiff, ...] = ()
    problem: str | None = None
    notes: tuple[str, ...] = ()
    has_functions: bool = True
    """Whether there is anything to compare by function: of `resources` there is not."""


@attrs.frozen
class Comparison:
    """All of it."""

    a: Recording
    b: Recording
    notes: tuple[str, ...]
    """What a reader should know before reading on."""
    environment: tuple[Difference, ...]
    figures: tuple[Figure, ...]
    profilers: Mapping[str, ProfilerDiff]


def side(shelf: Shelf, profiler: str | None = None) -> Side:
    """Return what can be read of a recording; of one profiler only, when it is named."""
    readings, errors = read_all(shelf, profiler)
    found = with_peaks(shelf.recording, readings)
    if profiler is not None:  # the others, which know some numbers better, were asked when it was recorded
        stored = {key: value for key, value in shelf.recording.summary.items() if value is not None}
        found = attrs.evolve(found, summary={**found.summary, **stored})
    return Side(found, readings, errors)


def compare(a: Side, b: Side, *, profiler: str | None = None, limit: int | None = None) -> Comparison:
    """Return how B differs from A; of one profiler when it is named, else of all that either has.

    Raises UsageError or CaptureError when the functions of the named one cannot be compared.
    """
    names = [each.profiler for each in (*a.recording.captures, *b.recording.captures)]
    wanted = dict.fromkeys(names if profiler is None else [profiler])
    profilers = {name: _profiler_diff(name, a, b, limit) for name in wanted}
    if profiler is not None and profilers[profiler].problem is not None:
        asked_wrongly = profiler not in names or not profilers[profiler].has_functions
        error = UsageError if asked_wrongly else CaptureError
        raise error(str(profilers[profiler].problem), _recorded(a, b))
    return Comparison(
        a.recording,
        b.recording,
        notes=tuple(_notes(a.recording, b.recording)),
        environment=tuple(_differences(a.recording, b.recording)),
        figures=tuple(_figures(a.recording, b.recording)),
        profilers=profilers,
    )


def _recorded(a: Side, b: Side) -> str:
    one, other = (
        ", ".join(each.profiler for each in side.recording.captures) or "nothing" for side in (a, b)
    )
    return f"Recorded were: {one}." if one == other else f"Recorded were: {one} in A, {other} in B."


def _profiler_diff(name: str, a: Side, b: Side, limit: int | None) -> ProfilerDiff:
    captures = [side.recording.capture(name) for side in (a, b)]
    missing = [letter for letter, capture in zip("AB", captures, strict=True) if capture is None]
    if missing:
        return ProfilerDiff(problem=f"{' and '.join(missing)} {_has(missing)} no capture of {name}.")
    problems = [
        f"{letter}: {problem}"
        for letter, side, capture in zip("AB", (a, b), captures, strict=True)
        if capture is not None and (problem := _unreadable(side, capture))
    ]
    if problems:
        return ProfilerDiff(problem=" ".join(problems))
    if _is_without_functions(name, a, b):
        words = f"Captures of {name} hold neither stacks nor functions to compare."
        return ProfilerDiff(problem=words, has_functions=False)
    readings = a.readings[name], b.readings[name]
    try:
        found = diff(*readings, limit=limit)
    except ProfilerKitError as error:
        return ProfilerDiff(problem=str(error))
    if not found:
        return ProfilerDiff(problem=f"A and B have no metric of {name} in common.")
    return ProfilerDiff(found, notes=tuple(_metric_notes(*readings)))


def _has(letters: list[str]) -> str:
    return "has" if len(letters) == 1 else "have"


def _unreadable(side: Side, capture: Capture) -> str | None:
    """Return why there is no reading of a capture, None when there is one."""
    name = capture.profiler
    if name in side.readings:
        return None
    if name in side.errors:
        return f"the capture of {name} cannot be read: {side.errors[name]}"
    because = f": {capture.error}" if capture.error else ""
    return f"{name} recorded nothing ({capture.status.value}{because})."


def _is_without_functions(name: str, a: Side, b: Side) -> bool:
    readings = [side.readings[name] for side in (a, b) if name in side.readings]
    return len(readings) == 2 and not any({"stacks", "functions"} & set(each.contents) for each in readings)


def _metric_notes(a: Reading, b: Reading) -> list[str]:
    known_a, known_b = metrics(a), metrics(b)
    return [
        f"only {letter} has {metric.name} ({metric.unit})"
        for letter, own, other in (("A", known_a, known_b), ("B", known_b, known_a))
        for metric in own
        if metric not in other
    ]


ENDS: Mapping[Status, str] = {
    Status.RUNNING: "still runs: its numbers are those so far",
    Status.INTERRUPTED: "was interrupted: its numbers are those until then",
    Status.PARTIAL: "is partial: not all of it could be recorded",
}


def _notes(a: Recording, b: Recording) -> list[str]:
    found = []
    if a.id == b.id:
        found.append("A and B are the same recording")
    elif a.started_at > b.started_at:
        found.append("A is the later of the two: to see what grew since B, exchange them")
    for letter, recording in (("A", a), ("B", b)):
        if recording.status in ENDS:
            found.append(f"{letter} {ENDS[recording.status]}")
    return found


def _differences(a: Recording, b: Recording) -> list[Difference]:
    # What only one of them was recorded with is said there, not option by option.
    both = {each.profiler for each in a.captures} & {each.profiler for each in b.captures}
    facts_a, facts_b = _facts(a, both), _facts(b, both)
    return [
        Difference(*fact, facts_a.get(fact), facts_b.get(fact))
        for fact in {**facts_a, **facts_b}
        if facts_a.get(fact) != facts_b.get(fact)
    ]


def _facts(recording: Recording, profilers: AbstractSet[str]) -> dict[tuple[str, str], Any]:
    """Return what is known of how it ran, by kind and name."""
    found: dict[tuple[str, str], Any] = {}
    for key, value in recording.environment.items():
        if key == "variables" and isinstance(value, Mapping):
            found.update({("variable", str(name)): each for name, each in value.items()})
        elif key != COSTS:
            found["environment", key] = value
    found.update({("label", name): value for name, value in recording.labels.items()})
    for capture in recording.captures:
        if capture.profiler in profilers:
            found.update({("version", name): each for name, each in capture.versions.items()})
            found.update(
                {("option", f"{capture.profiler}.{name}"): each for name, each in capture.options.items()}
            )
    return found


def _figures(a: Recording, b: Recording) -> list[Figure]:
    values_a = {"duration_seconds": a.duration_seconds, **a.summary}
    values_b = {"duration_seconds": b.duration_seconds, **b.summary}
    figures = [Figure(name, values_a.get(name), values_b.get(name)) for name in {**values_a, **values_b}]
    return [each for each in figures if each.a is not None or each.b is not None]
