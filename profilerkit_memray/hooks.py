"""Know whose profile hook a thread has, and give it back after memray took it away.

Leaving a memray Tracker ends the profile hook of every thread. A hook set from Python
(`sys.setprofile`) can be set again from Python. One set from C (pyinstrument, cProfile before Python
3.12) cannot: `sys.getprofile` returns only its argument, so its function is read from the thread's
state in memory.
"""

from __future__ import annotations

import sys
import threading

# Taken now, before a session guards it: what is set here is not the program's doing.
from sys import setprofile
from types import FunctionType, MethodType

from attrs import frozen

from profilerkit.errors import UnavailableError
from profilerkit_memray.aside import aside

THREAD_STATE_WORDS = 24
"""How much of a thread's state is looked at: its hooks are at words 7 to 12 in Python 3.10 to 3.13."""


@frozen
class ForeignHook:
    """A profile hook that another profiler has set on the calling thread."""

    argument: object
    function: int | None = None
    """The address of its C function; None for a hook set from Python."""

    def restore(self) -> None:
        """Set it again on the calling thread."""
        if self.function is None:
            setprofile(self.argument)  # type: ignore[arg-type]
            return
        import ctypes

        set_profile = ctypes.pythonapi.PyEval_SetProfile
        set_profile.argtypes = [ctypes.c_void_p, ctypes.py_object]
        set_profile.restype = None
        set_profile(self.function, self.argument)


def refuse_foreign_hooks() -> None:
    """Raise UnavailableError when somebody has a profile hook: memray would silently end it."""
    for hook, place in ((sys.getprofile(), "this thread"), (threading.getprofile(), "new threads")):
        if hook is not None and not is_memrays(hook):
            kind = getattr(hook, "__qualname__", type(hook).__qualname__)
            raise UnavailableError(
                f"A profile hook is set for {place} ({kind}), and memray would end it.",
                "Run without the other profiler, or without memray.",
            )


def foreign_hook() -> ForeignHook | None:
    """Return the calling thread's profile hook, unless it has none or memray's."""
    argument = sys.getprofile()
    if argument is None or is_memrays(argument):
        return None
    if isinstance(argument, FunctionType | MethodType):
        return ForeignHook(argument)
    function = _function_of(argument)
    return None if function is None else ForeignHook(argument, function)


def end_own_hook() -> None:
    """End the calling thread's profile hook."""
    setprofile(None)


def is_memrays(hook: object) -> bool:
    """Tell whether a profile hook is the one that memray gives to new threads."""
    return (getattr(hook, "__module__", None) or "").startswith("memray")


def _function_of(argument: object) -> int | None:
    """Return the address of the C function that the calling thread's hook calls with `argument`.

    A thread's state holds, among others, in this order: profile function, trace function, profile
    argument, trace argument. Where that is differs by version, so it is found out by experiment; None
    when the experiment does not turn out as it should.
    """
    try:
        place = aside(_place_of_profile_function)
    except (ImportError, AttributeError, RuntimeError):
        return None
    if place is None:
        return None
    words = _thread_state()
    return words[place] if words[place] and words[place + 2] == id(argument) else None


def _place_of_profile_function() -> int | None:
    """Return which word of a thread's state is its profile function, seen by setting memray's."""
    from memray._memray import start_thread_trace

    before = _thread_state()
    start_thread_trace(None, "call", None)  # type: ignore[arg-type]
    after = _thread_state()
    places = [place for place, word in enumerate(after) if word and not before[place]]
    return places[0] if len(places) == 1 and places[0] + 2 < THREAD_STATE_WORDS else None


def _thread_state() -> list[int]:
    """Return the first words of the calling thread's state."""
    import ctypes

    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    return list((ctypes.c_size_t * THREAD_STATE_WORDS).from_address(get()))
