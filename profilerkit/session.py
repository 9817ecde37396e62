"""Record one stretch of this process: start the profilers, run beside the user's code, stop them.

This is all that runs inside a recorded process. It writes files into the spool and tells the watcher
in a few words; whatever fails here is written into the recording and never reaches the program.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profilerkit import process, spool
from profilerkit._version import __version__
from profilerkit.deadline import Overdue, deadline, describe
from profilerkit.forks import follow_forks, forget
from profilerkit.guards import Guards
from profilerkit.link import WatcherLink

if TYPE_CHECKING:
    from profilerkit.interfaces import Profiler
    from profilerkit.model import Target

STOP_SECONDS = 4.5
"""All profilers together may take this long to stop."""
START_SECONDS = 30.0
"""Each profiler may take this long to start: on a crowded machine an import alone takes seconds."""


def utc_now() -> str:
    """Return the time as RFC 3339 in UTC, with microseconds."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"


class Session:
    """One recording, from the inside.

    `plan` is what `select.make_plan` made: plain JSON values, so that it crosses processes as it is.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.id: str = plan["id"]
        self.folder: Path | None = None
        self.active = False
        self._began = (time.perf_counter(), time.process_time())
        self._live: dict[str, Profiler] = {}
        self._state: dict[str, Any] = {}
        self._lock = _thread.RLock()
        self._link: WatcherLink | None = None
        self._guards = Guards(self._let_go, self._before_exec)
        self._own_threads: set[str] = set()
        self._launcher_cost: dict[str, float] = {}
        self._descriptors_before: set[int] = set()

    def __enter__(self) -> Session:
        """Start the recording."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Stop the recording; the block's exception goes on."""
        self.stop(outcome_of(error), error=None if kind is None else kind.__name__)

    def start(self) -> None:
        """Make the spool, start the watcher and the profilers, on the thread of the user's code.

        Raises UnavailableError when a required profiler cannot run here, or there is no place to
        record to; nothing is left behind then.
        """
        self._state = self._first_state()
        here = [each for each in self.plan["profilers"] if each["placement"] == "inside" or each["prepares"]]
        target = self._target() if here else None
        profilers = {choice["name"]: self._make(choice, target) for choice in here}
        threads = self._threads()
        self._descriptors_before = _open_descriptors()
        root = Path(self.plan["spool"])
        spool.prepare_root(root)
        self.folder = spool.create(root, self.id, self._state)
        self.active = True
        self._start_watcher()
        for choice in here:
            self._start_profiler(choice, profilers[choice["name"]], target)
        self._install(threads)
        self._write()
        self._state["overhead"]["start"] = self._cost_since(self._began)

    def stop(self, outcome: str, *, exit_status: int | None = None, error: str | None = None) -> None:
        """Stop the profilers, say goodbye, and wait for the upload no longer than the plan allows."""
        if not self.active:
            return
        with self._lock:
            began = (time.perf_counter(), time.process_time())
            self._guards.remove()
            forget(self)
            self._stop_profilers()
            self.active = False
            self._state.update(phase="ended", outcome=outcome, ended_at=utc_now(), usage=self._usage())
            self._state.update(exit_status=exit_status, error=error)
            self._state["overhead"]["stop"] = self._cost_since(began)
            self._leave_last_words()
            self._write()
        with self._reported("the watcher could not be told"):
            self._say_goodbye()

    def note_outcome(self, outcome: str) -> None:
        """Tell at once how the code is ending, in case that nothing more can be said."""
        self._state["outcome_so_far"] = outcome
        self._write()

    def wait_shipped(self, timeout: float | None = None) -> bool:
        """Wait until the spool is uploaded and gone; tell whether it is."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.folder is not None and self.folder.exists():
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(0.05)
        return True

    # -- starting ------------------------------------------------------------------------------

    def _target(self) -> Target:
        from profilerkit.model import ProcessIdentity, Subject, Target

        return Target(
            process=ProcessIdentity(**self._state["process"]),
            subject=Subject(self.plan["kind"], self.plan["names"]),
            thread_id=self._state["thread_id"],
            cgroup=self._state["cgroup"],
        )

    def _make(self, choice: Mapping[str, Any], target: Target | None) -> Profiler:
        module, _, name = choice["entry"].partition(":")
        profiler: Profiler = getattr(import_module(module), name)(**choice["options"])
        if choice["placement"] == "inside" and choice["required"] and target is not None:
            profiler.check(target)
        return profiler

    def _first_state(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "format": 1,
            "profilerkit": __version__,
            "id": self.id,
            "kind": plan["kind"],
            "names": plan["names"],
            "labels": plan["labels"],
            "parent_id": plan.get("parent_id"),
            "started_at": utc_now(),
            "host": os.uname().nodename if hasattr(os, "uname") else "",
            "process": process.identity(os.getpid()),
            "thread_id": _thread.get_native_id(),
            "cgroup": process.cgroup_folder(os.getpid()),
            "store": {"label": plan["store"]["label"], "fingerprint": plan["store"]["fingerprint"]},
            "environment": plan["environment"],
            "roots": plan["roots"],
            "settings": plan["settings"],
            "profilers": {
                choice["name"]: {
                    "status": "running",
                    "entry": choice["entry"],
                    "options": choice["options"],
                    "placement": choice["placement"],
                    "versions": choice["versions"],
                    "portable": choice.get("portable", True),
                    "error": None,
                }
                for choice in plan["profilers"]
            },
            "warnings": list(plan["warnings"]),
            "overhead": {},
            "phase": "running",
        }

    def _start_profiler(self, choice: Mapping[str, Any], profiler: Profiler, target: Target | None) -> None:
        from profilerkit.errors import UnavailableError

        name = choice["name"]
        assert target is not None
        assert self.folder is not None
        with self._timed(name, "start"):
            try:
                with deadline(START_SECONDS):
                    if choice["placement"] == "outside":
                        profiler.prepare(target)
                        return
                    folder = spool.capture_folder(self.folder, name)
                    folder.mkdir()
                    if not choice["required"]:
                        profiler.check(target)
                    profiler.start(folder, target)
            except UnavailableError as error:
                self._failed(name, "skipped", str(error))
            except (Exception, Overdue) as error:  # noqa: BLE001 - a profiler never harms the program
                self._failed(name, "failed", f"start failed: {describe(error)}")
                with contextlib.suppress(Exception, Overdue), deadline(1.0):
                    profiler.stop()
            else:
                self._live[name] = profiler
                if hasattr(profiler, "on_yield"):
                    profiler.on_yield = lambda reason: self._yielded(name, reason)

    def _start_watcher(self) -> None:
        """Start the watcher, unless orphans become our children: the program would wait for it."""
        if not process.can_have_watcher():
            self._warn(
                "no watcher beside a process that is PID 1 or adopts orphans, or on this system: shipped "
                "when it stops; a kill leaves the spool to the next run here or `profilerkit recover`"
            )
            for choice in self.plan["profilers"]:
                if choice["placement"] == "outside":
                    self._failed(choice["name"], "skipped", "it needs the watcher, and there is none here")
            return
        with self._reported("the watcher could not be started"):
            assert self.folder is not None
            self._link = WatcherLink(self.plan, self.folder, self._state["process"])
            before = _usage()
            self._link.start()
            self._launcher_cost = {
                key: value - (before[key] or 0)
                for key, value in _usage().items()
                if key.startswith("children_") and value is not None
            }

    def _usage(self) -> dict[str, float | int | None]:
        """Return what the kernel counted for the program, less what starting the watcher cost."""
        usage = _usage()
        for key, cost in self._launcher_cost.items():
            usage[key] = max(0.0, (usage[key] or 0) - cost)
        return usage

    def _install(self, threads_before: set[str]) -> None:
        with self._reported("the program could not be guarded"):
            claims = [each.claims() for each in self._live.values()]
            self._guards.install(frozenset().union(*claims), self._descriptors())
            if self._live and self._link is not None:
                _thread.start_new_thread(self._listen, (self._link,))
            self._own_threads = self._threads() - threads_before
            follow_forks(self)

    def _descriptors(self) -> frozenset[int]:
        """Return the descriptors that profilers opened and keep: the program must not close them."""
        found = set()
        kept = (f"{self.folder}{os.sep}", "pipe:", "/proc/")
        for each in _open_descriptors() - self._descriptors_before:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{each}").startswith(kept):
                    found.add(each)
        return frozenset(found)

    # -- while the user's code runs ------------------------------------------------------------

    def _listen(self, link: WatcherLink) -> None:
        """Do what the watcher asks, on a thread of the session's own, until the link ends."""
        for message in link.messages():
            if not self.active:
                return
            if message.get("do") == "checkpoint":
                self.checkpoint()
                link.send({"say": "checkpointed"})
            elif message.get("do") == "stop":
                self._stop_at_limit(str(message.get("profiler")), str(message.get("reason")))

    def checkpoint(self) -> None:
        """Have every profiler make what is on disk readable."""
        from profilerkit.interfaces import Profiler

        for name, profiler in list(self._live.items()):
            if type(profiler).checkpoint is Profiler.checkpoint:
                continue
            try:
                profiler.checkpoint()
            except Exception as error:  # noqa: BLE001 - a profiler never harms the program
                self._warn(f"{name}: checkpoint failed: {describe(error)}")

    def _stop_at_limit(self, name: str, reason: str) -> None:
        profiler = self._live.get(name)
        if profiler is None:
            return
        if not profiler.stops_anywhere:
            self._warn(f"{name}: {reason}, but it can only be stopped at the end")
            return
        self._stop_early(name, reason)

    def _let_go(self, claim: str, reason: str) -> None:
        for name, profiler in list(self._live.items()):
            if claim in profiler.claims():
                self._stop_early(name, f"{reason}, so {name} had to stop there")

    def _yielded(self, name: str, reason: str) -> None:
        if self._live.pop(name, None) is not None:
            self._failed(name, "partial", reason)

    def _stop_early(self, name: str, reason: str) -> None:
        profiler = self._live.pop(name, None)
        if profiler is None:
            return
        self._failed(name, "partial", reason)
        try:
            with deadline(STOP_SECONDS):
                profiler.stop()
        except (Exception, Overdue) as error:  # noqa: BLE001 - a profiler never harms the program
            self._warn(f"{name}: stop failed: {describe(error)}")

    def _before_exec(self) -> None:
        if os.getpid() != self._state["process"]["pid"]:
            return
        self._warn(
            "the program executed another program in its place (os.exec…): profilers inside it end there"
        )
        for name in reversed(list(self._live)):
            self._stop_early(name, "the program executed another program (os.exec…), which ended the capture")

    def abandon(self) -> None:
        """Let go of everything in a forked child, which goes on unrecorded."""
        self.active = False
        if self._link is not None:
            self._link.abandon()
        for profiler in self._live.values():
            with contextlib.suppress(Exception):
                profiler.abandon()
        self._live = {}
        self._guards.remove()

    def only_our_threads(self) -> bool:
        """Tell whether every thread but the calling one is a profiler's or ours."""
        return len(self._threads() - self._own_threads) <= 1

    # -- stopping ------------------------------------------------------------------------------

    def _stop_profilers(self) -> None:
        end = time.monotonic() + STOP_SECONDS
        names = list(self._live)
        while names:
            name = names.pop()
            profiler = self._live.pop(name, None)
            if profiler is None:
                continue
            state = self._state["profilers"][name]
            with self._timed(name, "stop"):
                try:
                    # What is left, less half a second for each that still has to stop.
                    with deadline(max(0.3, end - time.monotonic() - 0.5 * len(names))):
                        profiler.stop()
                except (Exception, Overdue) as error:  # noqa: BLE001 - never harm the program
                    self._failed(name, "partial", f"stop failed: {describe(error)}")
                else:
                    state["status"] = "complete"

    def _leave_last_words(self) -> None:
        """Give profilers that watch from outside what only the process itself knows exactly."""
        assert self.folder is not None
        for choice in self.plan["profilers"]:
            folder = spool.capture_folder(self.folder, choice["name"])
            if choice["placement"] == "outside" and folder.is_dir():
                with contextlib.suppress(OSError):
                    spool.write_json(folder / "goodbye.json", self._state["usage"])

    def _say_goodbye(self) -> None:
        timeout = float(self.plan["settings"]["upload_timeout"])
        assert self.folder is not None
        if not process.can_have_watcher():
            from profilerkit.shipping import ship_and_wait

            ship_and_wait(self.plan, max(timeout, 30.0))
            return
        if self._link is None or not self._link.send({"say": "goodbye"}):
            self._link = WatcherLink(self.plan, self.folder, self._state["process"])
            self._link.start()
            self._link.send({"say": "goodbye"})
        self._link.close()
        if timeout > 0:
            self.wait_shipped(timeout)

    # -- what is known -------------------------------------------------------------------------

    def _failed(self, name: str, status: str, reason: str) -> None:
        self._state["profilers"][name].update(status=status, error=reason)
        self._write()

    def _warn(self, text: str) -> None:
        if text not in self._state["warnings"]:
            self._state["warnings"].append(text)
            self._write()

    def _write(self) -> None:
        if self.folder is None:
            return
        with self._lock, contextlib.suppress(OSError):  # a full or vanished disk harms nobody
            spool.write_json(self.folder / spool.SESSION, self._state)

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever fails in us, the program goes on
            with contextlib.suppress(Exception):
                self._warn(f"{what}: {describe(error)}")

    @contextlib.contextmanager
    def _timed(self, name: str, phase: str) -> Iterator[None]:
        began = (time.perf_counter(), time.process_time())
        try:
            yield
        finally:
            self._state["overhead"].setdefault("profilers", {}).setdefault(name, {})[phase] = (
                self._cost_since(began)
            )

    @staticmethod
    def _cost_since(began: tuple[float, float]) -> dict[str, float]:
        return {
            "seconds": round(time.perf_counter() - began[0], 6),
            "cpu_seconds": round(time.process_time() - began[1], 6),
        }

    @staticmethod
    def _threads() -> set[str]:
        try:
            return set(os.listdir("/proc/self/task"))
        except OSError:
            return set()


def _open_descriptors() -> set[int]:
    try:
        return {int(each) for each in os.listdir("/proc/self/fd")}
    except OSError:
        return set()


def outcome_of(error: BaseException | None) -> str:
    """Return the outcome of code that ended with this exception, or without one."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "success"
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


def _usage() -> dict[str, float | int | None]:
    """Return what the kernel counted for this process and its reaped children."""
    try:
        import resource
    except ImportError:
        return {"peak_rss_bytes": None}
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "peak_rss_bytes": process.own_peak_rss_bytes() or own.ru_maxrss * unit,
        "ru_maxrss_bytes": own.ru_maxrss * unit,
        "user_seconds": own.ru_utime,
        "system_seconds": own.ru_stime,
        "children_user_seconds": children.ru_utime,
        "children_system_seconds": children.ru_stime,
    }
