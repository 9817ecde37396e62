"""Sample the thread that starts it through pyinstrument's profile hook, and tell waits of coroutines apart.

Of pyinstrument only the C part is used: a profile hook that calls back now and then, and when the value
of a context variable has changed. Its Python part keeps every sample in memory until it is stopped.
"""

from __future__ import annotations

import sys
import threading
import time
from _thread import get_ident
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from types import FrameType
from typing import Any

from profilerkit.errors import UnavailableError
from profilerkit_cpu import fold
from profilerkit_cpu.fold import ROOT, CallTree, FrameKey, LastStack

INSTALL = 'Install it: pip install "profilerkit[cpu]"'
BUILT_IN = "<built-in>"
AWAIT: FrameKey = ("[await]", "<await>", 0)
OUT_OF_CONTEXT: FrameKey = ("[out-of-context]", "<await>", 0)

REPLACED = "something took the profile hook's place or ended it (another profiler, say)"
INTERRUPTED = "an exception of one of the program's signal handlers went through the profile hook"

OUR_FILES = frozenset({__file__, fold.__file__})

COMING_BACK_SECONDS = 0.0001

COARSE_SECONDS = 0.02
"""The hook's clock may be this much behind."""


class HookSampler:
    """Sample one thread into a tree that has a column `wall`.

    Called by the hook on that thread, in the midst of the program: nothing is raised there that the
    program did not raise itself.
    """

    def __init__(self, tree: CallTree, *, interval_seconds: float, async_mode: str) -> None:
        self.tree = tree
        self.samples = 0
        self.longest_gap_seconds = 0.0
        self.node = ROOT
        """Where the thread was seen last."""
        self.away: int | None = None
        """The node that waits, while the thread does something else than what is recorded."""
        self.last_seconds = 0.0
        """Until here, by `time.perf_counter`, all time is in the tree, but for `owed_seconds`."""
        self.switched = False
        """Whether another context than the recorded one was ever seen."""
        self.owed_seconds = 0.0
        """Time that what is recorded ran before it was left, for the next sample of it."""
        self.ended: str | None = None
        """Why it ended before `stop`, in words."""
        self.ident = 0
        self._thread: object = None
        self._interval_seconds = interval_seconds
        self._mode = async_mode
        self._wall = tree.columns["wall"]
        self._clock = time.perf_counter  # programs replace functions of `time` (in tests, say)
        self._here, self._left = LastStack(ROOT), LastStack(ROOT)
        self._marker = object()
        self._variable: ContextVar[object | None] = ContextVar("profilerkit_cpu", default=None)
        self._token: Token[object | None] | None = None
        self._state: object = None
        """What `sys.getprofile` returns while the hook is ours."""
        self._awaiting = ROOT
        self._caller: object = None
        """What called the coroutine that waits, in the event loop."""
        self._came_back = self._stopped = False
        self._seen: tuple[object, ...] = ()

    def start(self) -> None:
        """Begin, on the thread that is to be sampled. Raises UnavailableError where that cannot be."""
        present = sys.getprofile()
        if present is not None:
            kind = getattr(present, "__qualname__", type(present).__qualname__)
            raise UnavailableError(
                f"A profile hook is set already ({kind}), and the pyinstrument engine would end it.",
                "Run without the other profiler, or with cpu.engine=sampler.",
            )
        self._set_hook, timer = _hook_setter(self._interval_seconds)
        self.ident, self._thread = get_ident(), _thread_object(get_ident())
        variable = None
        if self._mode != "disabled":
            variable = self._variable
            self._token = variable.set(self._marker)
        self.last_seconds = self._clock()
        keywords: dict[str, Any] = {} if variable is None else {"context_var": variable}
        self._set_hook(self._on_event, self._interval_seconds, timer_type=timer, **keywords)
        self._state = sys.getprofile()

    def stop(self) -> None:
        """End, on any thread; off the sampled one the hook goes as it is next called."""
        self._stopped = True
        if not self.is_here() or self._state is None:
            return
        if sys.getprofile() is self._state:
            self._remove()
        elif self.ended is None:
            self.ended = REPLACED
        if self._token is not None:
            try:
                self._variable.reset(self._token)
            except ValueError:
                pass  # it was started in another context, which keeps the variable

    def is_here(self) -> bool:
        """Tell whether the calling thread is the sampled one."""
        return get_ident() == self.ident and self.lives()

    def lives(self) -> bool:
        """Tell whether the sampled thread has not ended; another may have its ident since."""
        return _thread_object(self.ident) is self._thread

    def abandon(self) -> None:
        """Let go of the hook in a forked child."""
        self._stopped = True
        if self._state is not None and sys.getprofile() is self._state:
            self._remove()

    def stack_now(self) -> list[FrameKey]:
        """Return where the thread is, outermost first, as far as it is the program's; on any thread."""
        stack: list[FrameKey] = []
        frame = sys._current_frames().get(self.ident) if self.lives() else None
        while frame is not None:
            if frame.f_code.co_filename not in OUR_FILES:
                stack.append((frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno or 0))
            frame = frame.f_back
        stack.reverse()
        return stack

    def check(self) -> None:
        """Notice, on another thread and now and then, that the hook is not called any more.

        A thread that is in another function than before, and for longer than the interval has called
        no hook, has lost it: every call and return would have.
        """
        frame = sys._current_frames().get(self.ident) if self.lives() else None
        if frame is None or frame.f_code.co_filename in OUR_FILES:
            self._seen = ()
            return
        late = self._clock() - self.last_seconds > self._interval_seconds + COARSE_SECONDS
        seen = (self.samples, id(frame), id(frame.f_code)) if late else ()
        if self._seen and seen and self._seen[0] == seen[0] and self._seen != seen and self.ended is None:
            self.ended = REPLACED
        self._seen = seen

    def _remove(self) -> None:
        self._set_hook(None)

    def _on_event(self, frame: FrameType | None, event: str, argument: Any) -> None:
        try:
            if self._stopped:
                self._remove()
            elif event == "context_changed":
                self._on_switch(frame, *argument)
            else:
                self._on_sample(frame, event, argument)
        except (RecursionError, MemoryError):
            pass  # the next sample has the time of this one too
        except BaseException as error:
            if not _is_ours(error):
                self.ended = INTERRUPTED  # the hook ends, and the exception goes on in the program
                raise

    def _on_sample(self, frame: FrameType | None, event: str, argument: Any) -> None:
        now = self._clock()
        elapsed = now - self.last_seconds
        came_back, self._came_back = self._came_back, False
        if came_back and elapsed < COMING_BACK_SECONDS:
            return  # a sample by the event that ended a wait would meet the event loop, never what follows
        if self.away is not None:
            self._wall[self.away] += elapsed
        else:
            if event == "call" and frame is not None:
                frame = frame.f_back  # what passed is the caller's
            node = self.tree.fold(frame, self._here)
            if event in ("c_return", "c_exception"):
                node = self.tree.child(node, (getattr(argument, "__name__", "?"), BUILT_IN, 0))
            self._wall[node] += elapsed + self.owed_seconds
            self.owed_seconds = 0.0
            self.node = node
        self.last_seconds = now
        self.longest_gap_seconds = max(self.longest_gap_seconds, elapsed)
        self.samples += 1

    def _on_switch(
        self, frame: FrameType | None, new: object, old: object, coroutines: Sequence[str]
    ) -> None:
        """Note that what is recorded was left, or comes back; `coroutines` await, innermost first."""
        now = self._clock()
        self.switched = True
        if old is self._marker:
            self._leave(frame, coroutines, now)
        elif new is self._marker and self.away is not None:
            self._wall[self.away] += now - self.last_seconds
            self.away = None
            self._came_back = True
            self.last_seconds = now

    def _leave(self, frame: FrameType | None, coroutines: Sequence[str], now: float) -> None:
        node = self.tree.fold(frame, self._left)
        caller = self.tree.parents[node], frame and frame.f_code  # on whatever line of it
        for each in reversed(coroutines):
            node = self.tree.child(node, _frame_key(each))
        if coroutines:
            self._caller, self._awaiting = caller, self.tree.child(node, AWAIT)
            away = self._awaiting
        elif caller == self._caller:
            away = self._awaiting  # the event loop ran a callback of the coroutine that waits
        elif self._mode == "strict":
            away = self.tree.child(node, OUT_OF_CONTEXT)
        else:
            return  # nobody awaits: what comes now is sampled as it is
        self.owed_seconds += now - self.last_seconds
        if self.owed_seconds > self._interval_seconds:
            self._wall[node] += self.owed_seconds
            self.owed_seconds = 0.0
        self.node = node
        self.away = away
        self.last_seconds = now


def has_pyinstrument() -> bool:
    """Tell whether pyinstrument is installed, without importing it."""
    from importlib.util import find_spec

    return find_spec("pyinstrument") is not None


def _hook_setter(interval_seconds: float) -> tuple[Callable[..., None], str]:
    """Return pyinstrument's function that sets the hook, and the clock to use: a coarse one is cheaper."""
    try:
        from pyinstrument.low_level.stat_profile import setstatprofile, walltime_coarse_resolution
    except ImportError as error:
        raise UnavailableError(f"pyinstrument cannot be imported ({error}).", INSTALL) from error
    coarse = walltime_coarse_resolution()
    return setstatprofile, "walltime_coarse" if coarse and coarse <= interval_seconds else "walltime"


def _frame_key(info: str) -> FrameKey:
    """Return function, file and line of pyinstrument's description of a frame."""
    place, *attributes = info.split("\x01")
    function, filename, line = (place.split("\x00") + ["", ""])[:3]
    line = next((each[1:] for each in attributes if each.startswith("l")), line)
    return function, filename, int(line) if line.isdecimal() else 0


def _is_ours(error: BaseException) -> bool:
    """Tell whether an exception is a fault of ours, and not from a signal handler of the program's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return isinstance(error, Exception) and (
        trace is not None and trace.tb_frame.f_code.co_filename in OUR_FILES
    )


def thread_name() -> str:
    """Return the calling thread's name, without making a thread object for one that has none."""
    return str(getattr(_thread_object(get_ident()), "_name", "(not of threading)"))


def _thread_object(ident: int) -> object:
    """Return what `threading` knows of a thread, without the lock that its `enumerate` takes."""
    found: object = getattr(threading, "_active", {}).get(ident)
    return found
