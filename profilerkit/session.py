"""Record one stretch of this process: start the profilers, run beside the user's code, stop them.

This is all that runs inside a recorded process. It writes files into the spool and tells the watcher
in a few words; whatever fails here is written into the recording and never reaches the program.
"""

from __future__ import annotations

import _thread
import contextlib
import os
from collections.abc import Iterator, Mapping
from time import monotonic, perf_counter, process_time, sleep

from profilerkit import process, spool
from profilerkit.deadline import describe
from profilerkit.descriptors import opened, opened_high, opened_since
from profilerkit.errors import UnavailableError
from profilerkit.forks import follow_forks, forget
from profilerkit.guards import Guards
from profilerkit.inside import Inside, cost_since
from profilerkit.link import WatcherLink
from profilerkit.outcomes import outcome_of
from profilerkit.signals import block_all_but, held_from_new_threads, program_held
from profilerkit.state import first_state, last_words, time_since_start, usage, used_since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from profilerkit.model import Target


class Session:
    """One recording, from the inside.

    `plan` is what `select.make_plan` made: plain JSON values, so that it crosses processes as it is.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.id: str = plan["id"]
        self.folder: str | None = None
        self.problem: str | None = None
        """Why nothing is recorded: there is no place to record to. The program goes on."""
        self.active = False
        self.shipped_in_time = True
        """Whether the upload was done within `upload_timeout`, or need not be waited for."""
        self._began = (perf_counter(), process_time())
        self._inside = Inside(self.id, self._report, self._warn)
        self._state: dict[str, Any] = {}
        self._lock = _thread.RLock()
        self._link: WatcherLink | None = None
        self._unwatched = False
        self._guards = Guards(self._let_go, self._before_exec)
        self._own_threads: set[str] = set()
        self._launcher_cost: dict[str, float] = {}

    def __enter__(self) -> Session:
        """Start the recording; where there is no place for one the code runs without."""
        self.start()
        if self.problem is not None:
            import logging

            logging.getLogger("profilerkit").warning("not recorded: %s", self.problem)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Stop the recording; the block's exception goes on."""
        self.stop(outcome_of(error), error=None if kind is None else kind.__name__)

    def start(self) -> None:
        """Make the spool, start the watcher and the profilers, on the thread of the user's code.

        Raises UnavailableError when a required profiler cannot run here; nothing is left behind then.
        Where there is no place to record to, `problem` says so and nothing is recorded. What a signal
        handler of the program raises meanwhile ends the recording and is passed on.
        """
        try:
            with program_held(), held_from_new_threads():
                self._start()
        except BaseException as error:
            self.stop(outcome_of(error), error=type(error).__name__)
            raise

    def stop(
        self,
        outcome: str,
        *,
        exit_status: int | None = None,
        error: str | None = None,
        warning: str | None = None,
    ) -> None:
        """Stop the profilers, say goodbye, and wait for the upload no longer than the plan allows.

        Raises only what a signal handler of the program raises meanwhile, when the recording is ended.
        """
        if not self.active or not self._is_here():
            return
        if warning is not None:
            self._warn(warning)
        with program_held():
            with self._reported("the recording could not be ended as it should"), held_from_new_threads():
                self._end(outcome, exit_status, error)
            self.active = False
            with self._reported("the watcher could not be told"):
                self._say_goodbye()
        if self._upload_timeout > 0:
            self.shipped_in_time = self.wait_shipped(0.0 if self._unwatched else self._upload_timeout)

    def note_outcome(self, outcome: str) -> None:
        """Tell at once how the code is ending, in case that nothing more can be said."""
        self._state["outcome_so_far"] = outcome
        self._write()

    def wait_shipped(self, timeout: float | None = None) -> bool:
        """Wait until the spool is uploaded and gone; tell whether it is."""
        end = None if timeout is None else monotonic() + timeout
        while self.folder is not None and os.path.exists(self.folder):
            if end is not None and monotonic() >= end:
                return False
            sleep(0.05)
        return True

    @property
    def status(self) -> str:
        """Return `complete`, or `partial` when a profiler in this process is not, as known at the end."""
        inside = [each for each in self._state["profilers"].values() if each["placement"] == "inside"]
        return "complete" if all(each["status"] == "complete" for each in inside) else "partial"

    @property
    def problems(self) -> list[str]:
        """Return in words what has failed so far in this process, but what the plan has warned of."""
        told = [each for each in self._state.get("warnings", ()) if each not in self.plan["warnings"]]
        lost = {name: each["error"] for name, each in self._state.get("profilers", {}).items()}
        return [*told, *(f"{name}: {error}" for name, error in lost.items() if error)]

    def used(self) -> dict[str, float | None]:
        """Return the peak of memory, the seconds and CPU seconds of the recorded code, until its end."""
        return used_since(self._state, self._state.get("usage") or self._usage())

    # -- starting ------------------------------------------------------------------------------

    def _start(self) -> None:
        self._state = first_state(self.plan)
        here = [each for each in self.plan["profilers"] if each["placement"] == "inside" or each["prepares"]]
        target = self._target() if here else None
        made = [(each, self._inside.make(each, target)) for each in here if target is not None]
        threads, descriptors = self._threads(), opened()
        try:
            self.folder = self._make_spool()
        except UnavailableError as error:
            self.problem = str(error)
            return
        self.active = True
        follow_forks(self)
        with opened_high():
            self._start_watcher()
            for choice, profiler in made:
                if profiler is not None and target is not None:
                    self._inside.start(choice, profiler, self.folder, target)
        self._install(threads, descriptors)
        self._state["overhead"] = {"start": cost_since(self._began), "profilers": self._inside.cost}
        self._write()

    def _make_spool(self) -> str:
        root = self.plan["spool"]
        spool.prepare_root(root)
        try:
            return spool.create(root, self.id, self._state)
        except OSError as error:
            raise UnavailableError(
                f"Nothing can be written to the spool folder {root} ({error.strerror}).",
                "Make room, or set PROFILERKIT_SPOOL to another.",
            ) from error

    def _target(self) -> Target:
        from profilerkit.model import ProcessIdentity, Subject, Target

        return Target(
            process=ProcessIdentity(**self._state["process"]),
            subject=Subject(self.plan["kind"], self.plan["names"]),
            thread_id=self._state["thread_id"],
            cgroup=self._state["cgroup"],
        )

    def _start_watcher(self) -> None:
        """Start the watcher, unless orphans become our children: the program would wait for it."""
        if not (self.plan.get("can_have_watcher") or process.can_have_watcher()):
            self._unwatched = True
            self._warn(
                "no watcher beside a process that is PID 1 or adopts orphans, or on this system: shipped "
                "when it stops; a kill leaves the spool to the next run here or `profilerkit recover`"
            )
            for choice in self.plan["profilers"]:
                if choice["placement"] == "outside":
                    self._report(choice["name"], "skipped", "it needs the watcher, and there is none here")
            return
        with self._reported("the watcher could not be started"):
            assert self.folder is not None
            self._link = WatcherLink(self.plan, self.folder, self._state["process"])
            before = usage()
            self._link.start()
            self._launcher_cost = {
                key: value - (before.get(key) or 0)
                for key, value in usage().items()
                if key.startswith("children_") and value is not None
            }

    def _usage(self) -> dict[str, float | int | None]:
        """Return what the kernel counted for the program, less what starting the watcher cost."""
        used = usage()
        for key, cost in self._launcher_cost.items():
            used[key] = max(0.0, (used.get(key) or 0) - cost)
        return used

    def _install(self, threads_before: set[str], descriptors_before: set[int]) -> None:
        with self._reported("the program could not be guarded"):
            # What profilers opened and keep: the program must not close it, its children not have it.
            files = (f"{self.folder}{os.sep}", f"/proc/{os.getpid()}/")
            kept = opened_since(descriptors_before, files)
            for each in kept:
                os.set_inheritable(each, False)
            self._own_threads = self._threads() - threads_before
            self._guards.install(self._inside.claims, kept)
            if self._inside and self._link is not None:
                with held_from_new_threads():
                    _thread.start_new_thread(self._listen, (self._link,))
            self._own_threads = self._threads() - threads_before

    # -- while the user's code runs ------------------------------------------------------------

    def _listen(self, link: WatcherLink) -> None:
        """Do what the watcher asks, on a thread of the session's own, until the link ends."""
        block_all_but(set())
        for message in link.messages():
            if not self.active:
                return
            if message.get("do") == "checkpoint":
                self._inside.checkpoint()
                link.send({"say": "checkpointed"})
            elif message.get("do") == "stop":
                self._inside.stop_at_limit(str(message.get("profiler")), str(message.get("reason")))

    def _let_go(self, claim: str, reason: str) -> None:
        if str(_thread.get_native_id()) in self._own_threads:
            return  # a profiler closes a file that it was writing when the guards came
        with program_held():
            self._inside.let_go(claim, reason)

    def _before_exec(self) -> None:
        if self.active and self._is_here():
            self._warn(
                "the program executed another program in its place (os.exec…): profilers inside it end there"
            )
            with program_held():
                self._inside.stop_all_early(
                    "the program executed another program (os.exec…), which ended the capture"
                )

    def abandon(self) -> None:
        """Let go of everything in a forked child, which goes on unrecorded."""
        self.active = False
        if self._link is not None:
            self._link.abandon()
        self._inside.abandon()
        self._guards.remove()

    def only_our_threads(self) -> bool:
        """Tell whether every thread but the calling one is a profiler's or ours."""
        return len(self._threads() - self._own_threads) <= 1

    # -- stopping ------------------------------------------------------------------------------

    def _end(self, outcome: str, exit_status: int | None, error: str | None) -> None:
        with self._lock:
            began = (perf_counter(), process_time())
            self._guards.remove()
            forget(self)
            self._inside.stop()
            self.active = False
            # That it ended comes first: whatever else cannot be told, it does not run any more.
            self._state.update(phase="ended", outcome=outcome, exit_status=exit_status, error=error)
            self._state.update(ended_at=time_since_start(self._state), usage=self._usage())
            self._state["overhead"]["stop"] = cost_since(began)
            self._write(last=True)

    def _say_goodbye(self) -> None:
        assert self.folder is not None
        if self._unwatched:
            from profilerkit.shipping import ship_and_wait

            ship_and_wait(self.plan, max(self._upload_timeout, 30.0))
            return
        goodbye = {"say": "goodbye", "ended": last_words(self._state)}
        if self._link is None or not self._link.send(goodbye):
            self._link = WatcherLink(self.plan, self.folder, self._state["process"])
            self._link.start()
            self._link.send(goodbye)
        self._link.close()

    @property
    def _upload_timeout(self) -> float:
        return float(self.plan["settings"]["upload_timeout"])

    # -- what is known -------------------------------------------------------------------------

    def _report(self, name: str, status: str, reason: str | None) -> None:
        self._state["profilers"][name].update(status=status, error=reason)
        self._write()

    def _warn(self, text: str) -> None:
        if text not in self._state["warnings"]:
            self._state["warnings"].append(text)
            self._write()

    def _is_here(self) -> bool:
        """Tell whether this is the recorded process, not one that was forked behind Python's back."""
        return bool(self._state) and os.getpid() == self._state["process"]["pid"]

    def _write(self, *, last: bool = False) -> None:
        if self.folder is None or not self._is_here():
            return
        with self._lock, contextlib.suppress(OSError):  # a full or vanished disk harms nobody
            spool.write_json(os.path.join(self.folder, spool.SESSION), self._state, last=last)

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - whatever fails in us, the program goes on
            with contextlib.suppress(Exception):
                self._warn(f"{what}: {describe(error)}")

    @staticmethod
    def _threads() -> set[str]:
        try:
            return set(os.listdir("/proc/self/task"))
        except OSError:
            return set()
