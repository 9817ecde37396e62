"""Enter and leave one memray Tracker so that the recorded program notices nothing of it.

This is the one place that knows memray's inside: the names `sys`, `threading`, `tracker_creation_lock`
and `print_greenlet_warning` of `memray._memray`, which its compiled code looks up each time.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from profilerkit.errors import UnavailableError
from profilerkit_memray.hooks import end_own_hook, is_memrays

SILENT = 60
"""A log level above all of memray's: it logs to the program's stderr."""
DEFAULT_LEVEL = 30
NOT_AT_WORK = "stale"
"""In what a Tracker says when it is entered again though none is at work."""


class Tracking:
    """One memray Tracker that writes every allocation of this process to `path`.

    `make_way` is called before the program enters a Tracker of its own: memray allows only one.
    """

    def __init__(
        self, path: Path, *, native: bool, python_allocators: bool, make_way: Callable[[], None]
    ) -> None:
        memray: Any = import_module("memray._memray")
        self._path = path
        self._options = {"native_traces": native, "trace_python_allocators": python_allocators}
        self._memray = memray
        self._tracker: Any = None
        self._lock = memray.tracker_creation_lock
        self._turnstile = Turnstile(self._lock, self._before_another)
        self._make_way = make_way
        self._leaving_thread = 0
        self._warning = memray.print_greenlet_warning

    def enter(self) -> None:
        """Begin tracking; the calling thread's outer frames are hidden in all that it records.

        Raises UnavailableError when the program tracks itself already.
        """
        self._memray.set_log_level(SILENT)
        self._memray.print_greenlet_warning = _do_nothing
        try:
            tracker = self._make()
            tracker.__enter__()
        except BaseException as error:
            self._put_back()
            self._path.unlink(missing_ok=True)
            if isinstance(error, RuntimeError):
                raise UnavailableError(f"The program is using memray itself ({error}).") from error
            if isinstance(error, AssertionError):
                raise UnavailableError(
                    "An earlier memray Tracker of this process was not left as it should be."
                ) from error
            raise
        self._tracker = tracker
        self._memray.tracker_creation_lock = self._turnstile

    def leave(self) -> bool:
        """End tracking and complete the file; every thread's profile hook is gone then.

        Tells whether memray had tracked until now.
        """
        self._leaving_thread = _thread.get_ident()
        tracked = self._tracks()
        try:
            self._exit()
        finally:
            self._put_back()
        return tracked

    def leave_in_child(self) -> None:
        """Leave what a forked child inherited, after memray's own fork handler; write nothing."""
        self._put_back()
        # The inherited lock may be held by a thread that this process does not have.
        self._memray.tracker_creation_lock = _thread.allocate_lock()
        self._memray.sys, self._memray.threading = sys, threading
        hook_is_ours = sys.getprofile() is None
        self._exit()
        if hook_is_ours:
            end_own_hook()

    def _tracks(self) -> bool:
        """Tell whether memray tracks still: it gives up where it cannot write, and the file need not show it.

        A Tracker that is entered again refuses before it does anything, with a reason: that one is at
        work, or else that it has been used already.
        """
        try:
            self._tracker.__enter__()
        except RuntimeError as error:
            return NOT_AT_WORK not in str(error)
        return True

    def _before_another(self) -> None:
        """Make way, unless it is this very Tracker that passes the turnstile on its way out."""
        if _thread.get_ident() != self._leaving_thread:
            self._make_way()

    def _make(self) -> Any:
        """Make the Tracker. It would store the command line, and with it what secrets that has."""
        program = Path(sys.argv[0]).name if getattr(sys, "argv", None) else ""
        with self._memray_sees("sys", argv=[program]):
            return self._memray.Tracker(
                destination=self._memray.FileDestination(path=self._path, compress_on_exit=False),
                **self._options,
            )

    def _exit(self) -> None:
        """Leave the Tracker, but reset no hook that is not memray's."""
        tracker, self._tracker = self._tracker, None
        with (
            self._memray_sees("sys", setprofile=_do_nothing),
            self._memray_sees("threading", setprofile=_do_nothing),
        ):
            tracker.__exit__(None, None, None)
        if is_memrays(threading.getprofile()):
            threading._profile_hook = None

    def _put_back(self) -> None:
        """Put back what of memray was changed while tracking."""
        self._memray.set_log_level(DEFAULT_LEVEL)
        self._memray.print_greenlet_warning = self._warning
        if self._memray.tracker_creation_lock is self._turnstile:
            self._memray.tracker_creation_lock = self._lock

    @contextlib.contextmanager
    def _memray_sees(self, module_name: str, **replaced: object) -> Iterator[None]:
        """Have memray, and nobody else, see a module with some names replaced."""
        module = getattr(self._memray, module_name)
        setattr(self._memray, module_name, StandIn(module, replaced))
        try:
            yield
        finally:
            setattr(self._memray, module_name, module)


class StandIn:
    """A module with some of its names replaced."""

    def __init__(self, module: object, replaced: dict[str, object]) -> None:
        self.__dict__.update(replaced)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class Turnstile:
    """The lock that memray takes to enter or leave a Tracker; whoever takes it calls `before` first."""

    def __init__(self, lock: Any, before: Callable[[], None]) -> None:
        self._lock = lock
        self._before = before

    def __enter__(self) -> object:
        with contextlib.suppress(Exception):
            self._before()
        return self._lock.__enter__()

    def __exit__(self, *exc: object) -> object:
        return self._lock.__exit__(*exc)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


def _do_nothing(*_: object) -> None:
    """Stand in for what memray must not do."""
