"""Run the profilers that record from outside, in the watcher; one that fails harms no other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from profilerkit import spool
from profilerkit.deadline import why_partial

STOP_SECONDS = 5.0


class OutsideProfilers:
    """The profilers of one recording that run here. What becomes of each is in `states`."""

    def __init__(self, folder: Path, recorded: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        self._spool = folder
        self._recorded = recorded
        self._warn = warn
        self._live: dict[str, Any] = {}
        self.states: dict[str, dict[str, str | None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._live

    def start(self, choice: Mapping[str, Any]) -> None:
        """Start one profiler, unless an earlier watcher had: what that recorded is kept as it is."""
        name = choice["name"]
        folder = spool.capture_folder(self._spool, name)
        if folder.exists():
            self._note(name, "partial", "the watcher was gone for a time: recorded until then")
            return
        try:
            profiler = load(choice["entry"])(**choice["options"])
            target = self._target()
            profiler.check(target)
            folder.mkdir()
            self._leave_word(folder, "at_start.json", "at_start")
            profiler.start(folder, target)
        except Exception as error:  # noqa: BLE001 - one profiler never harms the others
            self._note(name, "failed", f"start failed: {type(error).__name__}: {error}")
        else:
            self._live[name] = profiler
            self._note(name, "running", None)

    def checkpoint(self) -> None:
        """Have each make what is on disk readable."""
        for name, profiler in self._live.items():
            try:
                profiler.checkpoint()
            except Exception as error:  # noqa: BLE001 - one profiler never harms the others
                self._warn(f"{name}: checkpoint failed: {type(error).__name__}: {error}")

    def stop(self, name: str, *, reason: str | None = None) -> None:
        """Stop one profiler within 5 s; with a reason its capture is partial."""
        profiler = self._live.pop(name)
        failure: list[str] = ["stop took over 5 s and was given up"]

        def stop() -> None:
            try:
                profiler.stop()
                failure.clear()
            except Exception as error:  # noqa: BLE001 - one profiler never harms the others
                failure[0] = why_partial(error)

        thread = threading.Thread(target=stop, daemon=True)
        thread.start()
        thread.join(STOP_SECONDS)
        words = failure[0] if failure else reason
        self._note(name, "complete" if words is None else "partial", words)

    def stop_all(self) -> None:
        """Stop all that still run."""
        for name in list(self._live):
            folder = spool.capture_folder(self._spool, name)
            self._leave_word(folder, "goodbye.json", "usage")
            self.stop(name)

    def _leave_word(self, folder: Path, name: str, key: str) -> None:
        """Give a profiler what only the process itself knows exactly: what it used, by the kernel's count."""
        usage = (spool.read_json(self._spool / spool.SESSION) or {}).get(key)
        if usage is not None:
            with contextlib.suppress(OSError):
                spool.write_json(folder / name, usage)

    def _note(self, name: str, status: str, error: str | None) -> None:
        self.states[name] = {"status": status, "error": error}

    def _target(self) -> Any:
        from profilerkit.model import ProcessIdentity, Subject, Target

        session = spool.read_json(self._spool / spool.SESSION) or {}
        return Target(
            process=ProcessIdentity(**self._recorded),
            subject=Subject(session.get("kind", "script"), session.get("names", {})),
            thread_id=int(session.get("thread_id", 0)),
            cgroup=session.get("cgroup"),
        )


def load(entry: str) -> Any:
    """Import `module:attribute`; on a miss once more with site's import hooks (editable installs)."""
    module, _, name = entry.partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError:
        import site

        site.main()
        return getattr(import_module(module), name)
