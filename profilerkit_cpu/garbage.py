"""Pause the garbage collector while a thread of ours makes objects."""

from __future__ import annotations

import gc
from types import TracebackType


class GarbagePause:
    """A block in which our garbage does not make the program's finalizers run on this thread.

    One for each recorder, made once: what is made on the way in or out would itself be collected.
    """

    def __init__(self) -> None:
        self._paused = False

    def __enter__(self) -> None:
        """Pause the collector, unless the program has it off."""
        self._paused = gc.isenabled()
        if self._paused:
            gc.disable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have it go on."""
        self.end()

    def end(self) -> None:
        """Have it go on, also in a forked child, whose thread that paused it does not exist."""
        if self._paused:
            gc.enable()
            self._paused = False
