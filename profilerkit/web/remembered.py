"""Remember answers that take long for a little while, and renew them beside those who ask."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from attrs import define, field

from profilerkit.catalog.scope import Scope

T = TypeVar("T")

FRESH_SECONDS = 10.0
OLD_SECONDS = 120.0
"""An answer that is older is not given any more: who asks waits for a new one."""
MOST = 256

log = logging.getLogger("profilerkit.web")


@define
class Remembered:
    """Answers by what was asked; any thread may ask."""

    _answers: OrderedDict[Hashable, tuple[float, Any]] = field(factory=OrderedDict, init=False)
    _renewed: dict[Hashable, threading.Thread] = field(factory=dict, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return an answer that is at most two minutes old; have it renewed when it is not fresh."""
        now = time.monotonic()
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
        if found is None or now - found[0] > OLD_SECONDS:
            return self._renew(key, ask)
        if now - found[0] > FRESH_SECONDS:
            self._renew_beside(key, ask)
        return cast(T, found[1])

    def _renew(self, key: Hashable, ask: Callable[[], T]) -> T:
        began = time.monotonic()
        answer = ask()
        with self._lock:
            self._answers[key] = (began, answer)
            while len(self._answers) > MOST:
                self._answers.popitem(last=False)
        return answer

    def _renew_beside(self, key: Hashable, ask: Callable[[], object]) -> None:
        def renew() -> None:
            try:
                self._renew(key, ask)
            except Exception as error:  # noqa: BLE001 - who asks next sees it
                log.info("An answer could not be renewed: %r", error)
                with self._lock:
                    self._answers.pop(key, None)

        with self._lock:
            running = self._renewed.get(key)
            if running is not None and running.is_alive():
                return
            self._renewed = {name: each for name, each in self._renewed.items() if each.is_alive()}
            thread = threading.Thread(target=renew, daemon=True, name="profilerkit-renew")
            self._renewed[key] = thread
        thread.start()


def scope_key(scope: Scope) -> Hashable:
    """Return what tells scopes apart."""
    return scope.everything, frozenset(scope.groups.items())
