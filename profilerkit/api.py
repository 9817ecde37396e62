"""Record a block of code or a function, from Python."""

from __future__ import annotations

import _thread
import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from profilerkit.errors import UsageError
from profilerkit.session import Session

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
        from profilerkit.settings import load_settings

        self._settings = load_settings(given)
        merged = {each: dict(values) for each, values in self._settings.options.items() if each in profilers}
        for each, values in options.items():
            merged[each] = {**merged.get(each, {}), **values}
        self._choices = select.choose(profilers or self._settings.profilers, merged)
        self._name = name
        self._labels = dict(labels)
        self._running: dict[int, list[Session]] = {}

    def __enter__(self) -> Session:
        """Start a recording and return it; its `id` is known at once."""
        session = self._session(_program_name() if self._name is None else self._name).__enter__()
        self._running.setdefault(_thread.get_ident(), []).append(session)
        return session

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Stop the recording; the block's exception goes on."""
        self._running[_thread.get_ident()].pop().__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Return the function so that each of its runs is recorded: plain, generator or async."""
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
        folders = [os.path.dirname(os.path.abspath(main))] if main else []
        plan = select.make_plan(
            "script",
            {"name": name},
            self._choices,
            self._settings,
            labels=self._labels,
            argv=sys.argv,
            own_folders=[*folders, os.getcwd()],
        )
        return Session(plan)

    def _recorded(self, function: Callable[..., Any]) -> Session:
        return self._session(function.__qualname__ if self._name is None else self._name)

    def _wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                return function(*args, **keywords)

        return wrapped

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                return (yield from function(*args, **keywords))

        return wrapped

    def _wrap_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                return await function(*args, **keywords)

        return wrapped

    def _wrap_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **keywords: Any) -> Any:
            with self._recorded(function):
                inner = function(*args, **keywords)
                try:
                    value = await inner.__anext__()
                    while True:
                        try:
                            sent = yield value
                        except GeneratorExit:
                            raise
                        except BaseException as error:  # noqa: BLE001 - it belongs to the inner one
                            value = await inner.athrow(error)
                        else:
                            value = await inner.asend(sent)
                except StopAsyncIteration:
                    return
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
    if len(profilers) == 1 and callable(profilers[0]):
        raise UsageError(
            "profile() takes names of profilers.",
            'Write @profilerkit.profile("cpu") or @profilerkit.profile().',
        )
    return Profile(profilers, name, labels or {}, options or {}, settings)


def _program_name() -> str:
    return os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
