"""Run a piece of work on a thread that the recorded program does not see."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def aside(work: Callable[[], T], *, or_here: bool = False) -> T:
    """Run `work` on a thread of its own, wait for it, and return or raise what it did.

    The thread is a bare one: `threading` never hears of it. When the wait is interrupted, the work
    goes on. With `or_here` it runs on this thread where no other can be had, as at interpreter exit.
    """
    ended = _thread.allocate_lock()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
            errors.append(error)
        finally:
            ended.release()

    ended.acquire()
    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:
        if not or_here:
            raise
        run()
    ended.acquire()
    if errors:
        raise errors[0]
    return results[0]
