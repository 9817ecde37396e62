"""Record a block of code or a function, from Python."""

from __future__ import annotations

import _thread
import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from profilerkit.errors import UsageError
from profilerkit.retrace import hide_our_frames
from profilerkit.session import Session
from profilerkit.signals import program_held

if TYPE_CHECKING:
    from profilerkit.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


class Profile:
    """A block or function that is recorded each time it runs; made by `profilerkit.profile`.

    Each entry makes one recording. One object may be entered again and again, nested and from several
    threads; profilers that claim the same of the interpreter cannot record twice at once, and the
    inner recording says so.
    """

    def __init__(
        self,
        profilers: tuple[str, ...],
        name: str | None,
        labels: Mapping[str, str],
        options: Mapping[str, Mapping[str, Any]],
        given: Mapping[str, Any],
    ) -> None:
        from profilerkit import select

        _check(profilers, name, labels, options)
        self._settings = _settings(given)
        chosen = profilers or self._settings.profilers
        merged = {each: dict(values) for each, values in self._settings.options.items() if each in chosen}
        for each, values in options.items():
            merged[each] = {**merged.get(each, {}), **values}
        self._choices = select.choose(chosen, merged)
        self._name = name
        self._labels = dict(labels)
        self._running: list[tuple[int, Session]] = []

    def __enter__(self) -> Session:
        """Start a recording and return it; its `id` is known at once."""
        session = None
        try:
            with program_held():
                session = self._session(_program_name() if self._name is None else self._name).__enter__()
                self._running.append((_thread.get_ident(), session))
        except BaseException as error:
            if session is not None:  # a signal handler of the program raised it
                self.__exit__(type(error), error, None)
            raise
        return session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Stop the recording; the block's exception goes on."""
        self._newest().__exit__(kind, error, trace)

    def _newest(self) -> Session:
        """Return what this thread entered last; a block may also be left on another thread."""
        mine = [each for each in self._running if each[0] == _thread.get_ident()] or self._running
        newest = mine[-1]
        self._running.remove(newest)
        return newest[1]

    def __call__(self, function: F) -> F:
        """Return the function so that each of its runs is recorded: plain, generator or async.

        Raises UsageError for what is not a function, such as a class.
        """
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            raise UsageError(
                f"profile() decorates functions, not {function!r}.", "Decorate the methods that matter."
            )
        for is_kind, wrap in (
            (inspect.iscoroutinefunction, self._wrap_async),
            (inspect.isasyncgenfunction, self._wrap_async_generator),
            (inspect.isgeneratorfunction, self._wrap_generator),
        ):
            if is_kind(function):
                return wrap(function)  # type: ignore[return-value]
        return self._wrap(function)  # type: ignore[return-value]

    def _session(self, name: str) -> Session:
        from profilerkit import select

        main = getattr(sys.modules.get("__main__"), "__file__", None)
        folders = []
        with contextlib.suppress(OSError):  # the working folder is gone
            folders = [os.path.dirname(os.path.abspath(main))] if main else []
            folders.append(os.getcwd())
        plan = select.make_plan(
            "script",
            {"name": name},
            self._choices,
            self._settings,
            labels=self._labels,
            argv=getattr(sys, "argv", []),
            own_folders=folders,
        )
        return Session(plan)

    def _recorded(self, function: Callable[..., Any]) -> Session:
        name = getattr(function, "__qualname__", type(function).__qualname__)
        with program_held():
            return self._session(name if self._name is None else self._name)

    def _wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                try:
                    return function(*args, **keywords)
                except BaseException as error:
                    hide_our_frames(error)
                    raise

        return wrapped

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                try:
                    return (yield from function(*args, **keywords))
                except BaseException as error:
                    hide_our_frames(error)
                    raise

        return wrapped

    def _wrap_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                try:
                    return await function(*args, **keywords)
                except BaseException as error:
                    hide_our_frames(error)
                    raise

        return wrapped

    def _wrap_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                inner = function(*args, **keywords)
                step = inner.__anext__()
                try:
                    while True:
                        try:
                            value = await step
                        except StopAsyncIteration:
                            return
                        except BaseException as error:
                            hide_our_frames(error)
                            raise
                        try:
                            step = inner.asend((yield value))
                        except GeneratorExit:
                            raise
                        except BaseException as error:  # noqa: BLE001 - it belongs to the inner one
                            step = inner.athrow(error)
                finally:
                    await inner.aclose()

        return wrapped


def profile(
    *profilers: str,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> Profile:
    """Record a block (`with`) or every run of a function (as a decorator).

    `profilers` are names of installed ones, by default those of the settings; `options` are theirs, by
    name; `settings` are fields of `profilerkit.settings.Settings` (`store=…`, `upload_timeout=…`).

    Raises UsageError at once for names, options or settings that cannot be; UnavailableError on entry
    when a profiler cannot run here. After that nothing that fails in a profiler reaches the program.
    """
    with program_held():
        return Profile(profilers, name, labels or {}, options or {}, settings)


def _program_name() -> str:
    argv = getattr(sys, "argv", None)
    return os.path.basename(argv[0]) if argv and argv[0] else "python"


def _check(
    profilers: tuple[object, ...],
    name: object,
    labels: Mapping[Any, Any],
    options: Mapping[Any, Mapping[Any, Any]],
) -> None:
    """Raise UsageError for arguments that cannot be, before anything is recorded with them."""
    for each in profilers:
        if not isinstance(each, str):
            raise UsageError(
                f"profile() takes names of profilers, not {each!r}.",
                'Write @profilerkit.profile("cpu") or @profilerkit.profile().',
            )
    if name is not None and not isinstance(name, str):
        raise UsageError(f"The name of a recording is text, not {name!r}.")
    if not isinstance(labels, Mapping) or not all(
        isinstance(each, str) for pair in labels.items() for each in pair
    ):
        raise UsageError(f"Labels are texts by name, not {labels!r}.", 'Write labels={"team": "data"}.')
    if not isinstance(options, Mapping) or not all(isinstance(each, Mapping) for each in options.values()):
        raise UsageError(
            f"Options are mappings by profiler, not {options!r}.",
            'Write options={"memray": {"native": True}}.',
        )


def _settings(given: Mapping[str, Any]) -> Settings:
    from attrs import fields

    from profilerkit.settings import Settings, load_settings

    known = [each.name for each in fields(Settings)]
    for each in given:
        if each not in known:
            raise UsageError(f"There is no setting {each!r} (there are: {', '.join(known)}).")
    settings = load_settings(given)
    if settings.store_url.partition("://")[0] == "memory":
        raise UsageError(
            "A memory:// store ends with the process that has it, so nothing recorded would be left.",
            "Use a folder or an object store.",
        )
    return settings
