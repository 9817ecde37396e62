"""Ask for a profile where a task is written: `@task.profiled(...)` and `@profiled(...)`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from profilerkit_airflow import compat

MARK = "__profilerkit__"
ANY = "*"
"""Options for whichever of the profilers has one of that name."""

DEFAULT_PROFILERS = ("resources", "cpu", "memray")

T = TypeVar("T")


def profiled(
    *profilers: str, options: Mapping[str, Mapping[str, Any]] | None = None, **any_options: Any
) -> Callable[[T], T]:
    """Have a task profiled: decorate its function, below or above `@task`, or pass its operator in.

    `options` are by profiler; any other keyword is an option of whichever of the profilers has it.
    Works on functions, on what a task decorator made, on operators, mapped ones too, and on operator
    classes. Raises TypeError for names that are none.
    """
    wanted = _wanted(profilers, options, any_options)

    def mark(target: T) -> T:
        # A task decorator holds the function; what it returns when called, the operator.
        place = getattr(target, "function", None) or getattr(target, "operator", None) or target
        setattr(place, MARK, wanted)
        return target

    return mark


def find_wanted(*places: Any) -> Mapping[str, Any] | None:
    """Return what the first of these operators, their functions or classes were decorated with."""
    for place in places:
        partial = getattr(place, "partial_kwargs", None) or {}
        function = getattr(place, "python_callable", None) or partial.get("python_callable")
        for each in (place, function, getattr(place, "operator_class", None)):
            found: Mapping[str, Any] | None = getattr(each, MARK, None)
            if found is not None:
                return found
        if partial.get("profilerkit") is not None:
            return dict(partial["profilerkit"])
    return None


def profiled_task(*args: Any, python_callable: Callable[..., Any] | None = None, **keywords: Any) -> Any:
    """Make a Python task of a function, profiled by the profilers that are named: `@task.profiled`.

    Keywords that a Python task knows are its own; any other is an option of the profilers, and
    `profiler_options` are options by profiler. Without names all default profilers take part.
    """
    operator_class, factory = _operator_class(), compat.task_decorator_factory()
    if python_callable is None and args and callable(args[0]):
        python_callable, args = args[0], args[1:]
    known = {"multiple_outputs", *compat.operator_parameters(operator_class)}
    own = {name: value for name, value in keywords.items() if name in known}
    others = {name: value for name, value in keywords.items() if name not in known}
    names = args or DEFAULT_PROFILERS
    wanted = _wanted(names, others.pop("profiler_options", None), others)
    return factory(python_callable, decorated_operator_class=operator_class, profilerkit=wanted, **own)


@functools.cache
def _operator_class() -> Any:
    """Return the operator of `@task.profiled`; made late, since operators are heavy to import."""
    base: Any = compat.python_decorated_operator()

    class _ProfiledDecoratedOperator(base):  # type: ignore[misc]
        custom_operator_name = "@task.profiled"

        def __init__(self, *, profilerkit: Mapping[str, Any], **keywords: Any) -> None:
            super().__init__(**keywords)
            setattr(self, MARK, dict(profilerkit))

    return _ProfiledDecoratedOperator


def _wanted(
    profilers: tuple[Any, ...],
    options: Mapping[str, Mapping[str, Any]] | None,
    any_options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is asked for as plain values, since Airflow serializes the arguments of mapped tasks."""
    if not profilers or not all(isinstance(each, str) for each in profilers):
        raise TypeError('name the profilers as texts: @profiled("memray", "cpu")')
    merged = {name: dict(table) for name, table in (options or {}).items()}
    if any_options:
        merged[ANY] = dict(any_options)
    return {"profilers": list(profilers), "options": merged}
