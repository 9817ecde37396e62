"""Take a capture from disk, whole, cut anywhere, or damaged, and believe nothing unchecked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
from attrs import Factory, define, frozen

from profilerkit.errors import CaptureError
from profilerkit_resources.capture import (
    AT_START_FILE,
    FILE,
    FORMAT,
    GOODBYE_FILE,
    KIND,
    ContainerFacts,
    End,
    FirstLook,
    ProcessSummary,
    Sample,
    read_lines,
)

LARGEST = 1 << 62
"""No number here is larger: what is says that the file is damaged."""

OPTIONAL_COLUMNS = frozenset({"read_bytes", "written_bytes", "pss_bytes", "container_bytes"})

T = TypeVar("T")


@frozen
class OwnWords:
    """What the recorded process said of itself when its recording began, or at its end.

    Seconds are since the process began and include its reaped children.
    """

    peak_rss_bytes: int
    user_seconds: float
    system_seconds: float
    rss_bytes: int | None = None
    monotonic_seconds: float | None = None
    """When it was said, by the machine's clock since its start."""


@define
class Recorded:
    """A capture's content."""

    started_at: str = ""
    samples: list[Sample] = Factory(list)
    processes: dict[tuple[int, int], ProcessSummary] = Factory(dict)
    first: FirstLook | None = None
    container: ContainerFacts | None = None
    end: End | None = None
    goodbye: OwnWords | None = None
    at_start: OwnWords | None = None
    damaged_lines: int = 0


def load(folder: Path) -> Recorded:
    """Return what is there. Raises CaptureError for a foreign, newer or wholly damaged file."""
    path = folder / FILE
    recorded = Recorded()
    try:
        header = _header(path)
        if header is not None:
            recorded.started_at = str(header.get("started_at", ""))
            _load_lines(recorded, path, _columns(header))
    except OSError as error:
        raise CaptureError(f"The capture of the process tree cannot be read: {error}.") from error
    if recorded.damaged_lines and not recorded.samples:
        raise CaptureError("The capture of the process tree is damaged: not one of its lines can be read.")
    recorded.goodbye = _words(folder / GOODBYE_FILE)
    recorded.at_start = _words(folder / AT_START_FILE)
    return recorded


def _header(path: Path) -> dict[str, Any] | None:
    """Return the first line, None when the file was cut within it."""
    with path.open("rb") as file:
        line = file.readline(1 << 16)
    beginning = f'{{"kind":"{KIND}"'.encode()
    if not line.endswith(b"\n") and (line.startswith(beginning) or beginning.startswith(line)):
        return None
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise CaptureError(f"{FILE} is not a capture of the resources profiler, or it is damaged.")
    version = header.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise CaptureError(
            f"{FILE} has format {version!r}; this version reads up to {FORMAT}.",
            "Install a newer profilerkit.",
        )
    return header


def _columns(header: Mapping[str, Any]) -> list[str]:
    columns = header.get("columns")
    if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
        raise CaptureError(f"{FILE} is damaged: it does not say what its columns are.")
    return columns


def _load_lines(recorded: Recorded, path: Path, columns: list[str]) -> None:
    for number, (line, is_whole) in enumerate(read_lines(path)):
        if number == 0:
            continue
        try:
            if isinstance(line, list):
                sample = _sample(dict(zip(columns, line, strict=True)))
                if recorded.samples and sample.at_seconds < recorded.samples[-1].at_seconds:
                    raise ValueError("time ran backwards")
                recorded.samples.append(sample)
            else:
                _take_note(recorded, line)
        except (KeyError, TypeError, ValueError, AttributeError):
            recorded.damaged_lines += is_whole  # the last may be cut in any capture


def _take_note(recorded: Recorded, line: Mapping[str, Any]) -> None:
    for name, data in line.items():
        if name == "process":
            process = _value(ProcessSummary, data)
            recorded.processes[process.pid, process.start_ticks] = process
        elif name == "first":
            recorded.first = _value(FirstLook, data)
        elif name == "container":
            recorded.container = _value(ContainerFacts, data)
        elif name == "end":
            recorded.end = _value(End, data)


def _sample(data: Mapping[str, Any]) -> Sample:
    return Sample(
        **{name: _number(data.get(name), name, optional=name in OPTIONAL_COLUMNS) for name in Sample._fields}
    )


def _value(kind: type[T], data: Mapping[str, Any]) -> T:
    """Return the attrs value for a JSON object with the same names; more names do no harm."""
    values = {}
    for each in attrs.fields(kind):  # type: ignore[arg-type]
        if each.type == "str":
            values[each.name] = str(data[each.name])
        else:
            values[each.name] = _number(data[each.name], each.name, optional="None" in str(each.type))
    return kind(**values)


def _number(value: Any, name: str, *, optional: bool) -> Any:
    if value is None and optional:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")
    if not 0 <= value < LARGEST:  # nor is what JSON's NaN and Infinity make
        raise ValueError(f"{name} is no possible number")
    return value


def _words(path: Path) -> OwnWords | None:
    try:
        data = json.loads(path.read_bytes())
        number = {name: _number(value, name, optional=True) for name, value in data.items()}
        return OwnWords(
            peak_rss_bytes=number.get("peak_rss_bytes") or 0,
            user_seconds=number["user_seconds"] + number["children_user_seconds"],
            system_seconds=number["system_seconds"] + number["children_system_seconds"],
            rss_bytes=number.get("rss_bytes"),
            monotonic_seconds=number.get("monotonic_seconds"),
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None
