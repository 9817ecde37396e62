"""Write and read back the capture: a text file of JSON lines that only grows, and is thinned when long."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from attrs import Factory, asdict, define, field, frozen

FILE = "resources.jsonl"
AT_START_FILE = "at_start.json"
"""What the recorded process had used when the recording began, where somebody noted it."""

GOODBYE_FILE = "goodbye.json"
"""What it had used when it ended normally."""

KIND = "profilerkit.resources"
FORMAT = 1

MAX_SAMPLES = 4000
"""More are merged to half as many; more lines about processes are cut to `MAX_PROCESSES`."""

MAX_PROCESSES = 300
"""How many processes a thinned capture names, those with the highest peaks."""


@frozen
class TreeNumbers:
    """What a process tree uses at one moment. Seconds and I/O bytes are since each process began."""

    rss_bytes: int
    """Of all its processes."""
    peak_rss_bytes: int
    """That, with the kernel's own peak of one process where that was higher since the last look."""
    own_rss_bytes: int
    """Of the recorded process alone."""
    process_peak_rss_bytes: int
    """The highest of any one process since the last look."""
    user_seconds: float
    system_seconds: float
    threads: int
    processes: int
    read_bytes: int | None
    written_bytes: int | None


class Sample(NamedTuple):
    """One line of numbers; its fields are the columns of the file."""

    at_seconds: float
    rss_bytes: int
    peak_rss_bytes: int
    own_rss_bytes: int
    process_peak_rss_bytes: int
    user_seconds: float
    system_seconds: float
    threads: int
    processes: int
    read_bytes: int | None
    written_bytes: int | None
    pss_bytes: int | None
    container_bytes: int | None


COUNTED = frozenset({"at_seconds", "user_seconds", "system_seconds", "read_bytes", "written_bytes"})
"""The columns that only rise: of several samples the last counts, of the others the highest."""


@frozen
class ProcessSummary:
    """What is kept of one process."""

    pid: int
    start_ticks: int
    parent: int
    command: str
    """Its name as the kernel knows it, at most 15 bytes, without arguments."""
    first_seen_seconds: float
    last_seen_seconds: float
    peak_rss_bytes: int


@frozen
class FirstLook:
    """What was there before: subtracted where a process is older than its recording."""

    age_seconds: float
    """Of the recorded process."""
    peak_rss_bytes: int
    """Its kernel peak."""
    own_user_seconds: float
    own_system_seconds: float


@frozen
class ContainerFacts:
    """What is known of the container."""

    limit_bytes: int | None
    peak_bytes: int | None
    """The kernel's peak if it was reached during the recording."""
    oom_kills: int | None
    """During the recording."""
    other_processes: int
    """The most that were seen in it beside the recorded ones."""


@frozen
class End:
    """What the last look saw."""

    at_seconds: float
    alive_seconds: float
    """When the recorded process was last seen alive."""


def merged(one: Sample, other: Sample) -> Sample:
    """Return one sample for two that follow each other."""
    numbers = []
    for name, before, after in zip(Sample._fields, one, other, strict=True):
        known = [each for each in (before, after) if each is not None]
        if name in COUNTED:
            numbers.append(known[-1] if known else None)
        else:
            numbers.append(max(known, default=None))
    return Sample(*numbers)  # type: ignore[arg-type]


def _line(data: object) -> bytes:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


@define
class CaptureWriter:
    """Append to a capture, unbuffered: a kill at any time costs at most the last line."""

    folder: Path
    header: dict[str, Any]
    failures: list[str] = Factory(list)
    """Why lines could not be written; what could is there, and writing goes on."""
    _descriptor: int = field(init=False)
    _samples: int = field(default=0, init=False)
    _notes: int = field(default=0, init=False)
    _is_cut: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._descriptor = self._open()
        # "kind" comes first: that tells a header that was cut from a foreign file.
        self._append(_line({"kind": KIND, "format": FORMAT, "columns": Sample._fields, **self.header}))

    def sample(self, sample: Sample) -> None:
        """Add one line of numbers."""
        self._append(_line(sample))
        self._samples += 1

    def note(self, name: str, value: Any) -> None:
        """Add a line that stands in place of earlier ones of its name (of a process: and its identity)."""
        self._append(_line({name: asdict(value)}))
        self._notes += 1

    def is_long(self) -> bool:
        """Tell whether it is time to thin."""
        return max(self._samples, self._notes) > MAX_SAMPLES

    def thin(self) -> None:
        """Write the file anew with samples merged to equal stretches of time, in bounded memory."""
        temporary = self.folder / f"{FILE}.tmp"
        try:
            self._samples = _write_thinned(self.folder / FILE, temporary)
            temporary.replace(self.folder / FILE)
            old, self._descriptor = self._descriptor, self._open()
            os.close(old)
        except OSError as error:
            self.failures.append(f"the capture could not be thinned: {error}")
            self._samples = 0  # it is tried again when as many have come again
            temporary.unlink(missing_ok=True)
        self._notes = 0

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self.folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _append(self, line: bytes) -> None:
        if self._is_cut:
            line = b"\n" + line
        try:
            self._is_cut = os.write(self._descriptor, line) < len(line)
        except OSError as error:
            self._is_cut = True
            self.failures.append(f"a line could not be written: {error}")
        del self.failures[10:]


def _write_thinned(source: Path, target: Path) -> int:
    """Write a capture with half of the samples it may have; return how many."""
    processes: dict[tuple[int, int], dict[str, Any]] = {}
    others: dict[str, bytes] = {}
    last_seconds = max((line[0] for line, _ in read_lines(source) if isinstance(line, list)), default=0.0)
    width_seconds = max(last_seconds, 0.001) / (MAX_SAMPLES // 2)
    written = 0
    with source.open("rb") as lines, target.open("wb") as out:
        out.write(lines.readline())
        pending: Sample | None = None
        for line, _ in read_lines(source):
            if isinstance(line, list):
                sample = Sample(*line)
                if pending is not None and same_stretch(pending, sample, width_seconds):
                    pending = merged(pending, sample)
                    continue
                if pending is not None:
                    written += 1
                    out.write(_line(pending))
                pending = sample
            elif line is None:
                continue
            elif "process" in line:
                process = line["process"]
                processes[process["pid"], process["start_ticks"]] = process
                _forget_small(processes, 2 * MAX_PROCESSES)
            elif "kind" not in line:
                others.update({name: _line({name: value}) for name, value in line.items()})
        if pending is not None:
            out.write(_line(pending))
        _forget_small(processes, MAX_PROCESSES)
        out.writelines(_line({"process": each}) for each in processes.values())
        out.writelines(others.values())
    return written + 1


def same_stretch(one: Sample, other: Sample, width_seconds: float) -> bool:
    """Tell whether two samples fall into the same stretch of time."""
    return int(one.at_seconds / width_seconds) == int(other.at_seconds / width_seconds)


def _forget_small(processes: dict[tuple[int, int], dict[str, Any]], most: int) -> None:
    if len(processes) > most:
        by_peak = sorted(processes, key=lambda key: processes[key]["peak_rss_bytes"])
        for key in by_peak[: len(processes) - MAX_PROCESSES]:
            del processes[key]


def read_lines(path: Path) -> Iterator[tuple[Any, bool]]:
    """Yield what is in each line (a list, an object, None when damaged), and whether it has its end."""
    with path.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield _parsed(line), line.endswith(b"\n")


def _parsed(line: bytes) -> Any:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, list | dict) else None
