"""Define what a plugin implements: `Profiler`, `ReportRenderer`, `ResultStore`.

Implementations are attrs classes; their fields are their options, and one declaration of a field
makes the command line's `-o NAME.OPTION=VALUE`, the settings key, its check and its docs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, Protocol

from attrs import field, frozen

from profilerkit.model import Capture, Placement, Recording, Target
from profilerkit.reading import Metric, Reading, StackBuilder


@frozen
class CaptureFiles:
    """A capture as its own backend reads it: in another process, on perhaps another machine."""

    folder: Path
    """What the profiler left, and nothing else. Files of an interrupted capture may be cut anywhere."""
    options: Mapping[str, Any] = field(factory=dict)
    versions: Mapping[str, str] = field(factory=dict)
    roots: Mapping[str, str] = field(factory=dict)
    started_at: datetime | None = None
    interrupted: bool = False
    elsewhere: bool = False
    """Whether it was recorded on another machine, in another container, or before the last boot."""

    def stack_builder(self, *metrics: Metric) -> StackBuilder:
        """Return a builder of call trees that knows this recording's roots."""
        return StackBuilder(metrics, roots=self.roots)


class Profiler(ABC):
    """Record something about a process into a folder.

    Only `start` and `stop` are required. Whatever any method raises, the user's program goes on:
    the failure is written into the recording. A method that takes over 5 s is given up.
    """

    title: ClassVar[str]
    """A few words for people: `Allocations (memray)`."""
    placement: ClassVar[Placement] = Placement.INSIDE
    distributions: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions belong to a capture, since its format depends on them."""
    stops_anywhere: ClassVar[bool] = False
    """Whether `stop` may be called on a thread other than the one of `start`."""

    def claims(self) -> frozenset[str]:
        """Return what it takes of the interpreter, with these options.

        Known to the session are `sys.setprofile`, `signal:<NAME>`, `descriptors` (files that it keeps
        open) and `hooks` (it runs functions on the program's threads, which a profile or trace hook of
        the program would see). Two profilers that claim the same are refused, but for the last two. When
        the user's code takes what is claimed, the profiler is asked to `give_up` that first, or stopped,
        with a partial capture. A handler that it sets for a signal which it does not claim has an
        attribute `of_profiler`, so that it is not taken for one of the program's.
        """
        return frozenset()

    def check(self, target: Target) -> None:
        """Raise UnavailableError, with the reason and the mend, when it cannot run here."""

    def prepare(self, target: Target) -> None:
        """Do inside the recorded process what an OUTSIDE profiler needs before it starts."""

    @abstractmethod
    def start(self, folder: Path, target: Target) -> None:
        """Begin recording into `folder`, on the thread of the user's code.

        What is left in the folder is the capture. An OUTSIDE profiler's `start` returns at once and
        works on a thread of its own in the watcher.
        """

    @abstractmethod
    def stop(self) -> None:
        """End recording and leave the folder whole, on the thread that called `start`.

        Raises CaptureError when that had ended before by itself: its words are why the capture is partial.
        """

    def checkpoint(self) -> None:
        """Make what is on disk readable now, on a thread of the session; the default is for streams."""

    def give_up(self, claim: str) -> bool:
        """Let go of a claim that the program is about to take, and tell whether recording goes on without it.

        Called on the program's thread, with the signals held that `start` has held. By default it does
        not go on: the profiler is stopped.
        """
        return False

    def abandon(self) -> None:
        """Let go in a forked child: release what was claimed, write nothing, take no lock."""

    def portable(self) -> bool:
        """Tell whether another machine can read the capture, with these options."""
        return True

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return the neutral content of a capture, in a process that never recorded.

        Raises CaptureError when it cannot be read; gives what there is of a partial one.
        """
        return Reading()


class Source(Protocol):
    """What a report is made from."""

    @property
    def recording(self) -> Recording:
        """The recording."""

    @property
    def capture(self) -> Capture:
        """The capture."""

    @property
    def elsewhere(self) -> bool:
        """Whether it was recorded on another machine, in another container, or before the last boot."""

    @property
    def folder(self) -> Path:
        """The raw files, fetched on first use."""

    @property
    def reading(self) -> Reading:
        """The neutral content, made on first use."""


class ReportRenderer(ABC):
    """Make one file out of a capture.

    An entry point's name with a dot (`memray.flamegraph`) is the report's name; a name without one
    (`speedscope`) is offered for every profiler whose capture it accepts, as `<profiler>.speedscope`.
    """

    title: ClassVar[str]
    filename: ClassVar[str]
    """The media type follows from it."""

    def accepts(self, capture: Capture) -> bool:
        """Tell whether it can render this capture; `capture.contents` says what its reading has."""
        return True

    @abstractmethod
    def render(self, source: Source, target: Path) -> None:
        """Write the report to `target`, a file that does not exist yet."""


class StoredObject(NamedTuple):
    """One object of a store."""

    key: str
    size_bytes: int
    modified_at: datetime | None


class ResultStore(ABC):
    """Keep bytes under keys. It knows nothing of profiling.

    A key is `/`-separated; each part has 1 to 200 of the characters `A–Z a–z 0–9 . _ - % =` and is
    neither `.` nor `..` nor begins with `.tmp-`; in all it is at most 900 long. No key is a folder of
    another. Every method may be called from any thread and raises StoreError when the store cannot do
    it, or the key is none, `open` NotFoundError for a missing key.
    """

    ephemeral: bool = False
    """Whether it is gone with this process, so that nothing may be recorded into it."""
    concurrency: ClassVar[int] = 1
    """How many reads at a time are faster than one after the other."""

    @classmethod
    @abstractmethod
    def from_url(cls, url: str) -> ResultStore:
        """Return the store at `url`; the scheme is the entry point's name."""

    @abstractmethod
    def put(self, key: str, data: Path | bytes) -> None:
        """Store a file or bytes under `key`, whole or not at all, replacing what was there."""

    @abstractmethod
    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for reading from its beginning."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield every object whose key begins with `prefix`, in any order, none half-written."""

    @abstractmethod
    def delete(self, prefix: str) -> None:
        """Delete the object `prefix` and every object under `prefix` + `/`; absent is fine."""
