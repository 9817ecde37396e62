"""Wrap the one function of Airflow that runs a task's code, so that it runs inside contexts.

Private API of Airflow, so it is checked: where the function is not as it is known, tasks run without
contexts, and one warning says so.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from profilerkit.retrace import hide_our_frames
from profilerkit_airflow import compat
from profilerkit_airflow.contexts import Contexts

MARK = "__profilerkit__"
log = logging.getLogger("profilerkit.airflow")


def install() -> None:
    """Wrap the function, once for a process; idempotent and silent where it is done."""
    module = compat.runner()
    original = getattr(module, compat.SEAM, None)
    if not hasattr(original, MARK):
        problem = find_problem(original)
        if problem is None and original is not None:
            setattr(module, compat.SEAM, wrap(original))
        else:
            _warn_once(str(problem))


def find_problem(original: Any) -> str | None:
    """Return why tasks cannot be run in contexts here, in words, or None."""
    found = compat.version()
    if found not in compat.SUPPORTED:
        return f"Airflow {found[0]}.{found[1]} is not known to profilerkit: tasks run unprofiled."
    expected = compat.seam_parameters()
    if not callable(original) or list(inspect.signature(original).parameters) != expected:
        where = f"{compat.runner().__name__}.{compat.SEAM}"
        return f"{where} is not {compat.SEAM}({', '.join(expected)}): tasks run unprofiled."
    return None


def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function so that what it runs runs inside the contexts of its task."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def _execute_task(*args: Any, **keywords: Any) -> Any:
        contexts = Contexts()
        error: BaseException | None = None
        try:
            contexts.enter(*compat.seam_arguments(signature.bind(*args, **keywords).arguments))
            return original(*args, **keywords)
        except BaseException as raised:
            error = raised
            hide_our_frames(raised)
            raise
        finally:
            contexts.leave(error)

    setattr(_execute_task, MARK, True)
    return _execute_task


@functools.cache
def _warn_once(problem: str) -> None:
    log.warning("%s", problem)
