"""Notice, before it happens, that the user's code takes what a profiler claims of the interpreter.

The functions through which a program can take a claim are wrapped while a recording is live. A
wrapper first lets the profiler go, then calls the original with what it was given. Wrappers are
objects, not functions: like built-ins they do not bind when stored on a class.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

from profilerkit.descriptors import Identity, identity
from profilerkit.retrace import hide_our_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Yield = Callable[[str, str], None]
"""Called with a claim and a reason, before the user's code takes what is claimed."""


class Wrapped:
    """Stand in for a function of a module: warn, then do what the original does."""

    def __init__(self, original: Callable[..., Any], before: Callable[..., None]) -> None:
        self.original = original
        self.before = before
        self.__name__ = original.__name__
        self.__qualname__ = original.__qualname__
        self.__module__ = original.__module__
        self.__text_signature__ = getattr(original, "__text_signature__", None)
        self.__doc__ = original.__doc__

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        try:
            self.before(*args, **keywords)
        except Exception:  # noqa: BLE001 - whatever is wrong with the arguments, the original says it
            pass
        try:
            return self.original(*args, **keywords)
        except BaseException as error:
            hide_our_frames(error)
            raise

    def __getattr__(self, name: str) -> Any:
        if name == "original":  # while a copy is being made
            raise AttributeError(name)
        return getattr(self.original, name)

    def __reduce__(self) -> Any:
        """Travel as the original does: by its name."""
        return _named, (self.original.__module__, self.original.__name__)

    def __copy__(self) -> Wrapped:
        return self

    def __deepcopy__(self, _memo: object) -> Wrapped:
        return self

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.original or getattr(other, "original", None) is self.original

    def __hash__(self) -> int:
        return hash(self.original)

    def __repr__(self) -> str:
        return repr(self.original)


def _named(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


class _Looked:
    """A `__call__` that warns when it is looked up and leaves the call itself to the interpreter."""

    def __get__(self, wrapped: Any, _owner: type) -> Any:
        try:
            wrapped.before()
        except Exception:  # noqa: BLE001 - a guard harms nobody
            pass
        return wrapped.original


class WrappedHookSetter(Wrapped):
    """Stand in for a function that sets a profile hook.

    No frame of ours is there when the original returns: the new hook would be told of its end.
    """

    __call__ = _Looked()


class Guards:
    """Wrap what gives a claim away; `remove` puts the originals back where nobody wrapped them since."""

    def __init__(self, let_go: Yield, before_exec: Callable[[], None]) -> None:
        self._let_go = let_go
        self._before_exec = before_exec
        self._wrapped: list[tuple[Any, str, Wrapped]] = []
        self.own_descriptors: Mapping[int, Identity] = {}

    def install(self, claims: frozenset[str], descriptors: Mapping[int, Identity]) -> None:
        """Guard these claims; `descriptors` are those that profilers keep open."""
        self.own_descriptors = descriptors
        for name in ("execv", "execve"):
            self._wrap(os, name, lambda *_: self._before_exec())
        if "descriptors" in claims and descriptors:
            self._wrap(os, "close", self._close)
            self._wrap(os, "closerange", self._closerange)
            self._wrap(os, "dup2", self._dup2)
        if "sys.setprofile" in claims:
            self._wrap_hook_setters("setprofile", ("sys.setprofile", "hooks"))
        elif "hooks" in claims:
            self._wrap_hook_setters("setprofile", ("hooks",))
        if "hooks" in claims:
            self._wrap_hook_setters("settrace", ("hooks",))
        signals = frozenset(each.partition(":")[2] for each in claims if each.startswith("signal:"))
        if signals:
            import signal

            self._wrap(signal, "signal", self._signal(signals))
            self._wrap(signal, "setitimer", self._setitimer(signals))

    def remove(self) -> None:
        """Put the originals back."""
        while self._wrapped:
            _unwrap(*self._wrapped.pop())

    def _wrap(
        self, module: Any, name: str, before: Callable[..., None], kind: type[Wrapped] = Wrapped
    ) -> None:
        original = getattr(module, name, None)
        if original is not None:
            wrapped = kind(original, before)
            setattr(module, name, wrapped)
            self._wrapped.append((module, name, wrapped))

    def _is_own(self, descriptor: int) -> bool:
        """Tell whether this is a profiler's: the number alone may be another file's by now."""
        known = self.own_descriptors.get(descriptor)
        try:
            return known is not None and identity(descriptor) == known
        except OSError:
            return False

    def _close(self, fd: int) -> None:
        if self._is_own(fd):
            self._let_go("descriptors", "the program closed a descriptor that it writes to (os.close)")

    def _dup2(self, fd: int, fd2: int, inheritable: bool = True) -> None:
        if self._is_own(fd2):
            self._let_go("descriptors", "the program took a descriptor that it writes to (os.dup2)")

    def _closerange(self, fd_low: int, fd_high: int) -> None:
        if any(fd_low <= each < fd_high and self._is_own(each) for each in self.own_descriptors):
            self._let_go("descriptors", "the program closed its descriptors (os.closerange)")

    def _wrap_hook_setters(self, setter: str, claims: tuple[str, ...]) -> None:
        import threading

        kind = "profile" if setter == "setprofile" else "trace"
        guards: list[tuple[Any, str, Wrapped]] = []

        def guard(where: str) -> Callable[..., None]:
            def before() -> None:
                # `threading` sets in each new thread the hook that somebody gave it before.
                if sys._getframe(2).f_globals.get("__name__") == "threading":
                    return
                for claim in claims:
                    self._let_go(claim, f"the program set a {kind} hook of its own ({where})")
                for each in guards:  # from now on its calls are the real ones, also for the hook itself
                    if each in self._wrapped:
                        self._wrapped.remove(each)
                        _unwrap(*each)

            return before

        for module, name in ((sys, setter), (threading, setter), (threading, f"{setter}_all_threads")):
            if hasattr(module, name):
                self._wrap(module, name, guard(f"{module.__name__}.{name}"), WrappedHookSetter)
                guards.append(self._wrapped[-1])

    def _signal(self, names: frozenset[str]) -> Callable[..., None]:
        def before(signalnum: int, handler: object) -> None:
            import signal

            name = signal.Signals(signalnum).name
            if name in names:
                self._let_go(f"signal:{name}", f"the program handles {name} itself")

        return before

    def _setitimer(self, names: frozenset[str]) -> Callable[..., None]:
        def before(which: int, *_: object) -> None:
            import signal

            if which == getattr(signal, "ITIMER_PROF", None) and "SIGPROF" in names:
                self._let_go("signal:SIGPROF", "the program uses the profiling timer itself (setitimer)")

        return before


def _unwrap(module: Any, name: str, wrapped: Wrapped) -> None:
    """Take a wrapper away, also from under those of other recordings; what others wrapped stays."""
    wrapped.before = _do_nothing
    above = getattr(module, name, None)
    if above is wrapped:
        setattr(module, name, wrapped.original)
    while isinstance(above, Wrapped):
        if above.original is wrapped:
            above.original = wrapped.original
        above = above.original


def _do_nothing(*_: Any, **__: Any) -> None:
    """Stand in for a guard that is not needed any more."""
