"""Keep the program's own profile and trace functions from seeing what we do before and after it.

They see every function of Python that is called or returns, and every built-in one that Python code
calls. So what switches them off is put together from built-in parts that call each other, and called as
a `partial`, which is neither.
"""

from __future__ import annotations

import atexit
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import chain, starmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Hush:
    """Switches the hooks of Python functions off; those of C, as cProfile's, are left alone."""

    def __init__(self) -> None:
        self._hooks = ((sys.getprofile, sys.setprofile), (sys.gettrace, sys.settrace))
        self._found: list[tuple[Callable[[Any], None], list[Any]]] = []

    def off(self) -> Callable[[], None]:
        """Return what switches them off when it is called, once and unseen."""
        steps = []
        for get, switch in self._hooks:
            kept: list[Any] = []
            # If there is a hook of Python's: keep it, which gives None, and set that.
            steps.append(map(switch, map(kept.append, filter(callable, starmap(get, [()])))))
            self._found.append((switch, kept))
        run: Callable[[Any], None] = deque[None](maxlen=0).extend
        return partial(run, map(run, steps))

    def on(self) -> None:
        """Switch on again what was switched off."""
        found, self._found = self._found, []
        for switch, kept in found:
            for hook in kept:
                switch(hook)

    def on_after(self, error: BaseException | None) -> None:
        """Switch them on again, unseen, when we have left the program to itself.

        That is when Python reports the error with which it ended, or before its exit handlers run.
        """
        found, self._found = self._found, []
        steps = [(switch, hook) for switch, kept in found for hook in kept]
        if steps and error is not None and not isinstance(error, SystemExit):
            original = sys.excepthook
            again = [starmap(switch, [(hook,)]) for switch, hook in steps]
            back = starmap(setattr, [(sys, "excepthook", original)])
            # Each step gives None, and so is left out: the first callable thing is the original.
            found_hook = partial(next, filter(callable, chain(*again, back, [original])))
            sys.excepthook = type("Hook", (), {"__call__": property(found_hook)})()
        else:
            for switch, hook in steps:
                atexit.register(partial(switch, hook))
