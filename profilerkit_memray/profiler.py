"""Record every allocation of the process with memray, and let go whenever the program needs that."""

from __future__ import annotations

import _thread
import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from attrs import define, field

from profilerkit.errors import CaptureError, UnavailableError
from profilerkit.interfaces import CaptureFiles, Profiler
from profilerkit.model import Target
from profilerkit.reading import Reading
from profilerkit_memray.aside import aside
from profilerkit_memray.hooks import foreign_hook, refuse_foreign_hooks

if TYPE_CHECKING:
    from profilerkit_memray.tracking import Tracking

CAPTURE = "memray.bin"
NOTES = "notes.json"

HOOK_TAKEN = (
    "another profiler took the interpreter's profile hook; what was allocated after that has no Python stack"
)
MEMRAY_TAKEN = "the program uses memray itself, so profilerkit stopped recording allocations there"
GAVE_UP = "memray stopped recording before the end: the disk was full, or the program closed its file"
GREENLETS = "the program uses greenlets, for which memray's stacks are experimental"


@define(eq=False)
class MemrayProfiler(Profiler):
    """Record every allocation of the process, with the Python stack that made it."""

    title = "Allocations (memray)"
    distributions = ("memray",)
    stops_anywhere = True

    native: bool = field(
        default=False,
        metadata={
            "help": "Record native (C, C++, Rust) stacks too: slower, and readable on this machine only."
        },
    )
    python_allocators: bool = field(
        default=False,
        metadata={
            "help": "Record each Python object's memory, not only the arenas that hold it: far slower."
        },
    )

    on_yield: Callable[[str], None] | None = field(default=None, init=False)
    """Called with the reason, on the program's thread, when it let go of the program by itself."""
    _folder: Path | None = field(default=None, init=False)
    _tracking: Tracking | None = field(default=None, init=False)
    _ended: bool = field(default=False, init=False)
    _notes: list[str] = field(factory=list, init=False)
    _lock: _thread.LockType = field(factory=_thread.allocate_lock, init=False)
    """Held while memray is entered or left, only by threads of `aside`."""

    def claims(self) -> frozenset[str]:
        """Return what it takes: the profile hook of every thread, and a file that stays open."""
        return frozenset({"sys.setprofile", "descriptors"})

    def portable(self) -> bool:
        """Tell whether another machine can read it: native symbols are resolved when it is read."""
        return not self.native

    def check(self, target: Target) -> None:
        """Raise UnavailableError when memray is not here, or would break the program."""
        if sys.platform == "win32":
            raise UnavailableError("memray does not run on Windows.", "Record without memray there.")
        try:
            import memray  # noqa: F401
        except ImportError as error:
            raise UnavailableError(
                f"memray cannot be imported ({error}).", 'Install it: pip install "profilerkit[memray]"'
            ) from error
        _refuse_undecodable_paths()

    def start(self, folder: Path, target: Target) -> None:
        """Begin recording into `folder`.

        The Tracker is entered on a thread of its own: memray hides as many outer frames of a thread as
        it had when it entered there. Raises UnavailableError when somebody else has a profile hook.
        """
        self.check(target)
        refuse_foreign_hooks()
        from profilerkit_memray.tracking import Tracking

        self._folder, self._ended = folder, False
        tracking = Tracking(
            folder / CAPTURE,
            native=self.native,
            python_allocators=self.python_allocators,
            make_way=self._make_way,
        )
        _tracking_here().add(self)
        try:
            aside(functools.partial(self._enter, tracking))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End recording and complete the file; on any thread, any number of times.

        A profile hook that another profiler has set on the calling thread stays as it is. Raises
        CaptureError when memray had given up before.
        """
        self._ended = True
        if self._folder is None:
            return
        hook = foreign_hook() if self._tracking is not None else None
        if hook is not None:
            self._notes.append(HOOK_TAKEN)
        try:
            aside(self._leave, or_here=True)
        finally:
            if hook is not None:
                hook.restore()

    def abandon(self) -> None:
        """Do nothing here: a fork handler of its own lets go, for that must come after memray's."""

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return peak, stacks at the peak, and the heap and RSS over time."""
        from profilerkit_memray.reader import read_capture

        return read_capture(capture)

    def _enter(self, tracking: Tracking) -> None:
        with self._lock:
            if not self._ended:
                tracking.enter()
                self._tracking = tracking

    def _leave(self) -> None:
        with self._lock:
            tracking, self._tracking = self._tracking, None
            if tracking is None:
                return
            if "greenlet" in sys.modules:
                self._notes.append(GREENLETS)
            gave_up = False
            try:
                gave_up = not tracking.leave()
            finally:
                if gave_up:
                    self._notes.append(GAVE_UP)
                self._write_notes()
            if gave_up:
                raise CaptureError(GAVE_UP)

    def _leave_in_child(self) -> None:
        """Let go in a forked child, whose only thread is the calling one."""
        tracking, self._tracking = self._tracking, None
        self._folder = None
        if tracking is not None:
            tracking.leave_in_child()

    def _make_way(self) -> None:
        """Stop because the program is about to enter a Tracker of its own."""
        if not self._ended:
            self._notes.append(MEMRAY_TAKEN)
            if self.on_yield is not None:
                with contextlib.suppress(Exception):
                    self.on_yield(MEMRAY_TAKEN)
        self.stop()  # and where it is stopping already, wait for it

    def _write_notes(self) -> None:
        if self._notes and self._folder is not None:
            with contextlib.suppress(OSError):  # a full disk: the capture matters more
                (self._folder / NOTES).write_text(json.dumps(self._notes), encoding="utf-8")


@functools.cache
def _tracking_here() -> WeakSet[MemrayProfiler]:
    """Return the profilers of this process; its forked children leave them.

    Until memray's own fork handler has run, leaving would write into the parent's file. Handlers run
    in the order of their registration, so this is to be called with memray imported.
    """
    profilers: WeakSet[MemrayProfiler] = WeakSet()

    def let_go() -> None:
        for profiler in list(profilers):
            with contextlib.suppress(Exception):
                profiler._leave_in_child()

    os.register_at_fork(after_in_child=let_go)
    return profilers


def _refuse_undecodable_paths() -> None:
    """Raise UnavailableError when code here may lie under names that are not UTF-8.

    Before Python 3.12 memray loses the stacks of such code; from 3.12 on, the program's own calls of it
    fail (SystemError).
    """
    paths = [*getattr(sys, "argv", [])[:1], *sys.path]
    with contextlib.suppress(OSError):
        paths.append(str(Path.cwd()))
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise UnavailableError(
                f"Code lies under a name that is not UTF-8 ({path!a}), which memray cannot record.",
                "Rename it, or record without memray.",
            ) from None
