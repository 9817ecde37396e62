"""Define the values that recordings are made of; nothing here reads or writes anything.

Times are aware `datetime`s in UTC. Numbers carry their unit in their name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from attrs import field, frozen

FORMAT = 1
"""The version of everything that is stored. Readers read every older one and refuse newer ones."""


class Status(str, Enum):
    """What is known of a recording, or of one capture in it."""

    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    """A profiler failed, met a limit, or had to let go; the rest is there."""
    INTERRUPTED = "interrupted"
    """The process ended, or fell silent, without saying goodbye."""
    FAILED = "failed"
    """Of a capture only: the profiler recorded nothing."""
    SKIPPED = "skipped"
    """Of a capture only: the profiler was not started, with the reason."""


class Outcome(str, Enum):
    """What became of the code that was recorded."""

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    RESCHEDULED = "rescheduled"
    TIMEOUT = "timeout"
    KILLED = "killed"
    UNKNOWN = "unknown"


class Placement(str, Enum):
    """Where a profiler runs."""

    INSIDE = "inside"
    """In the recorded process."""
    OUTSIDE = "outside"
    """In the watcher, a process beside the recorded one."""


KIND_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,31}")
RUN_NAMES = ("run_id", "try_number", "map_index")
"""Names of a subject that belong to one run of it."""


def _valid_kind(_subject: object, _attribute: object, kind: str) -> None:
    if not KIND_PATTERN.fullmatch(kind):
        raise ValueError(f"a subject's kind is a short lower-case word, not {kind!r}")


def _plain(names: Mapping[str, str]) -> dict[str, str]:
    return dict(names)


@frozen
class Subject:
    """What is profiled: a kind (`script`, `task`, …) and its named parts, in order."""

    kind: str = field(validator=_valid_kind)
    names: Mapping[str, str] = field(factory=dict, converter=_plain)

    def __str__(self) -> str:
        return " / ".join(value for value in self.names.values() if value) or self.kind

    @property
    def group(self) -> str:
        """Return its first name, such as the DAG of a task: whoever may see that may see the subject."""
        return next(iter(self.names.values()), "")

    @property
    def series(self) -> Subject:
        """Return what it has in common with its other runs: the subject without names of one run."""
        return Subject(self.kind, {name: self.names[name] for name in self.names if name not in RUN_NAMES})


@frozen
class ProcessIdentity:
    """One process for all time on one host: a process id alone is reused."""

    pid: int
    start_ticks: int
    """Field 22 of `/proc/<pid>/stat`, in clock ticks since boot; 0 where there is none."""
    boot_id: str = ""
    pid_namespace: str = ""
    start_stack: int = 0
    """Field 28 of `/proc/<pid>/stat`: it changes when another program is executed."""


@frozen
class Target:
    """What a profiler is pointed at."""

    process: ProcessIdentity
    subject: Subject
    thread_id: int
    """The native id of the thread that runs the user's code."""
    cgroup: str | None = None
    """The process's own cgroup folder, where one is known."""

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid


@frozen
class ProfilerChoice:
    """A profiler that takes part: where its class is, and its options."""

    name: str
    entry: str
    """`module:attribute` of the profiler's class."""
    options: Mapping[str, Any] = field(factory=dict)
    required: bool = True
    """Whether it was asked for by a person: then it must work, or the run is refused."""


@frozen
class CaptureFile:
    """One raw file of a capture."""

    path: str
    """Relative to the capture's folder, with `/`."""
    size_bytes: int
    stored_bytes: int | None = None
    """Its size in the store, compressed."""


@frozen
class Capture:
    """What one profiler left in one recording."""

    profiler: str
    status: Status
    placement: Placement = Placement.INSIDE
    entry: str = ""
    """`module:attribute` of the profiler's class when it recorded."""
    options: Mapping[str, Any] = field(factory=dict)
    versions: Mapping[str, str] = field(factory=dict)
    files: tuple[CaptureFile, ...] = ()
    error: str | None = None
    contents: tuple[str, ...] | None = None
    """Which parts its reading has (`stacks`, `functions`, `timelines`, …); None until one was made."""
    portable: bool = True
    """Whether another machine can read it."""

    @property
    def size_bytes(self) -> int:
        """Return the size of all raw files together."""
        return sum(each.size_bytes for each in self.files)


@frozen
class Evidence:
    """One fact about how a recording ended, in words, with the data it rests on."""

    kind: str
    text: str
    data: Mapping[str, Any] = field(factory=dict)


@frozen
class Recording:
    """One profiled stretch of one process."""

    id: str
    subject: Subject
    status: Status
    outcome: Outcome | None
    started_at: datetime
    ended_at: datetime | None = None
    alive_at: datetime | None = None
    """When the process was last seen alive."""
    captures: tuple[Capture, ...] = ()
    summary: Mapping[str, float | None] = field(factory=dict)
    labels: Mapping[str, str] = field(factory=dict)
    parent_id: str | None = None
    evidence: tuple[Evidence, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(factory=dict)
    roots: Mapping[str, str] = field(factory=dict)
    """Label to absolute path on the machine that recorded; frames are relative to them."""
    process: ProcessIdentity | None = None
    checkpoint_interval_seconds: float = 60.0
    revision: int = 0
    """Rises with each version of this recording that is stored."""
    format: int = FORMAT

    @property
    def duration_seconds(self) -> float | None:
        """Return wall seconds from start to end, or to the last sign of life."""
        end = self.ended_at or self.alive_at
        return None if end is None else max(0.0, (end - self.started_at).total_seconds())

    def capture(self, profiler: str) -> Capture | None:
        """Return what `profiler` left, or None."""
        return next((each for each in self.captures if each.profiler == profiler), None)


class EventKind(str, Enum):
    """What a journal event says of a recording; a later one in this order wins over an earlier."""

    RUNNING = "running"
    FINAL = "final"
    DELETED = "deleted"


@frozen
class Event:
    """One line of the journal: what a list needs to know of a recording."""

    event_id: str
    kind: EventKind
    recording: Recording
    """Without roots and most of the environment, which only `recording.json` has."""
    key: str
    """The store key of the recording's folder."""
    written_at: datetime
    format: int = FORMAT


def parse_time(text: str) -> datetime:
    """Return an RFC 3339 time in UTC, as everything stored has it, as a datetime."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
