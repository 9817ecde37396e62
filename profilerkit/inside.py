"""Run the profilers that work inside the recorded process so that none can harm the program.

Whatever one raises, however long it takes: it is told to the session in a sentence, and the others go
on. What comes from the program itself, an exception that one of its signal handlers raised while a
profiler was at work, is not swallowed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from time import monotonic, perf_counter, process_time

from profilerkit import claims
from profilerkit.deadline import Overdue, bounded, describe, why_partial
from profilerkit.signals import held_from_new_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from profilerkit.interfaces import Profiler
    from profilerkit.model import Target

STOP_SECONDS = 4.5
"""All profilers together may take this long to stop; each checkpoint likewise."""
START_SECONDS = 30.0
"""Each profiler may take this long to start: on a crowded machine an import alone takes seconds."""

Report = Callable[[str, str, "str | None"], None]
"""Called with a profiler's name, the status of its capture, and the reason."""


class Inside:
    """The profilers of one recording that work inside, from `make` to `stop`."""

    def __init__(self, recording_id: str, report: Report, warn: Callable[[str], None]) -> None:
        self.cost: dict[str, dict[str, dict[str, float]]] = {}
        self._recording_id = recording_id
        self._report = report
        self._warn = warn
        self._live: dict[str, Profiler] = {}
        self._claims: dict[str, frozenset[str]] = {}
        self._without_checkpoints: set[str] = set()

    def __bool__(self) -> bool:
        """Tell whether any is at work."""
        return bool(self._live)

    @property
    def claims(self) -> frozenset[str]:
        """Return what those at work have claimed of the interpreter."""
        return frozenset[str]().union(*(self._claims[name] for name in self._live))

    def make(self, choice: Mapping[str, Any], target: Target) -> Profiler | None:
        """Return the profiler; None for one that nobody asked for and that cannot be made here.

        Raises UnavailableError when a required one cannot be made, or says that it cannot run here.
        """
        from profilerkit.errors import UnavailableError

        name = choice["name"]

        def make() -> Profiler:
            module, _, attribute = choice["entry"].partition(":")
            profiler: Profiler = getattr(import_module(module), attribute)(**choice["options"])
            self._claims[name] = frozenset(profiler.claims())
            if choice["placement"] == "inside":
                profiler.check(target)
            return profiler

        try:
            return bounded(START_SECONDS, make)
        except BaseException as error:
            reason = str(error)
            if not isinstance(error, UnavailableError):
                reason = f"The profiler {name!r} cannot be used here ({describe(error)})."
            if choice["required"]:
                raise UnavailableError(reason) from error
            self._report(name, "skipped", reason)
            self._warn(f"{name} was skipped: {reason}")
            return None

    def start(self, choice: Mapping[str, Any], profiler: Profiler, folder: str, target: Target) -> None:
        """Have a profiler begin, in its place in the spool; have one that works outside prepare for it."""
        from pathlib import Path

        from profilerkit import spool
        from profilerkit.errors import UnavailableError

        name = choice["name"]

        def start() -> None:
            if choice["placement"] == "outside":
                profiler.prepare(target)
            else:
                place = spool.capture_folder(Path(folder), name)
                place.mkdir()
                profiler.start(place, target)

        taken = claims.take(self._claims[name], self._owner(name))
        if taken is not None:
            self._report(name, "skipped", f"another recording of this process uses {taken} already")
            return
        try:
            with self._timed(name, "start"), held_from_new_threads():
                bounded(START_SECONDS, start)
        except BaseException as error:  # noqa: BLE001 - a profiler never harms the program
            skipped = isinstance(error, UnavailableError)
            words = str(error) if skipped else f"start failed: {describe(error)}"
            self._report(name, "skipped" if skipped else "failed", words)
            with contextlib.suppress(BaseException), held_from_new_threads():
                bounded(1.0, profiler.stop)
            self._release(name)
        else:
            if choice["placement"] == "inside":
                self._live[name] = profiler
            if hasattr(profiler, "on_yield"):
                profiler.on_yield = lambda reason: self._yielded(name, reason)

    def checkpoint(self) -> None:
        """Have every profiler make what is on disk readable; one that hangs is not asked again."""
        from profilerkit.interfaces import Profiler

        for name, profiler in list(self._live.items()):
            if type(profiler).checkpoint is Profiler.checkpoint or name in self._without_checkpoints:
                continue
            try:
                bounded(STOP_SECONDS, profiler.checkpoint)
            except BaseException as error:  # noqa: BLE001 - a profiler never harms the program
                if isinstance(error, Overdue):
                    self._without_checkpoints.add(name)
                self._warn(f"{name}: checkpoint failed: {describe(error)}")

    def stop_at_limit(self, name: str, reason: str) -> None:
        """Stop one for good, from another thread than that of `start`."""
        profiler = self._live.get(name)
        if profiler is not None and not profiler.stops_anywhere:
            self._warn(f"{name}: {reason}, but it can only be stopped at the end")
        elif profiler is not None:
            self.stop_early(name, reason)

    def let_go(self, claim: str, reason: str) -> None:
        """Stop those that claim what the program is about to take."""
        for name, profiler in list(self._live.items()):
            if claim not in self._claims[name]:
                continue
            if self._gives_up(name, profiler, claim):
                self._claims[name] -= {claim}
                claims.release(self._owner(name), claim)
                self._warn(f"{name}: {reason}; it goes on with less, as its capture says")
            else:
                self.stop_early(name, f"{reason}, so {name} had to stop there")

    def _gives_up(self, name: str, profiler: Profiler, claim: str) -> bool:
        try:
            with held_from_new_threads():
                return bounded(STOP_SECONDS, lambda: profiler.give_up(claim))
        except BaseException as error:  # noqa: BLE001 - a profiler never harms the program
            self._warn(f"{name}: giving up {claim} failed: {describe(error)}")
            return False

    def stop_all_early(self, reason: str) -> None:
        """Stop all, in the midst of the program."""
        for name in reversed(list(self._live)):
            self.stop_early(name, reason)

    def stop_early(self, name: str, reason: str) -> None:
        """Stop one in the midst of the program."""
        profiler = self._live.pop(name, None)
        if profiler is None:
            return
        self._report(name, "partial", reason)
        try:
            with held_from_new_threads():
                bounded(STOP_SECONDS, profiler.stop)
        except BaseException as error:  # noqa: BLE001 - a profiler never harms the program
            self._warn(f"{name}: {why_partial(error)}")
        finally:
            self._release(name)

    def stop(self) -> None:
        """Stop all, the last started first, within the time that they have together."""
        end = monotonic() + STOP_SECONDS
        names = list(self._live)
        while names:
            name = names.pop()
            profiler = self._live.pop(name, None)
            if profiler is None:
                continue
            # What is left, less half a second for each that still has to stop.
            seconds = max(0.3, end - monotonic() - 0.5 * len(names))
            try:
                with self._timed(name, "stop"), held_from_new_threads():
                    bounded(seconds, profiler.stop)
            except BaseException as error:  # noqa: BLE001 - a profiler never harms the program
                self._report(name, "partial", why_partial(error))
            else:
                self._report(name, "complete", None)
            self._release(name)

    def abandon(self) -> None:
        """Let go of everything in a forked child."""
        live, self._live = self._live, {}
        for profiler in live.values():
            with contextlib.suppress(BaseException):
                profiler.abandon()

    def _yielded(self, name: str, reason: str) -> None:
        if self._live.pop(name, None) is not None:
            self._release(name)
            self._report(name, "partial", reason)

    def _owner(self, name: str) -> str:
        return f"{self._recording_id} {name}"

    def _release(self, name: str) -> None:
        claims.release(self._owner(name))

    @contextlib.contextmanager
    def _timed(self, name: str, phase: str) -> Iterator[None]:
        began = (perf_counter(), process_time())
        try:
            yield
        finally:
            self.cost.setdefault(name, {})[phase] = cost_since(began)


def cost_since(began: tuple[float, float]) -> dict[str, float]:
    """Return the seconds and CPU seconds of this process since `began`, of the same two clocks."""
    return {
        "seconds": round(perf_counter() - began[0], 6),
        "cpu_seconds": round(process_time() - began[1], 6),
    }
