"""Keep an account of each thread of the process, and of the threads of one name together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from profilerkit_cpu.clocks import thread_clock
from profilerkit_cpu.fold import ROOT, CallTree, LastStack

MAX_NAMES = 100
"""Beyond so many names, threads whose names differ in digits alone count as one."""

LOOKS_PER_READ = 10


class ThreadGroup:
    """Threads of one name, and their times together."""

    __slots__ = ("count", "cpu", "name", "node", "queued", "wall")

    def __init__(self, name: str, node: int) -> None:
        self.name = name
        self.node = node
        self.count = 0
        self.cpu = self.queued = self.wall = 0.0


class ThreadAccount:
    """Where one thread was seen last, the clocks it showed, and what could not be assigned yet."""

    __slots__ = (
        "carried", "clock", "cpu", "group", "ignored", "last_stack", "looks_until_read", "native_id", "node",
        "owed_busy", "owed_cpu", "owed_off", "queue_rate", "queued", "running", "used_since_read",
        "waited_at",
    )  # fmt: skip

    def __init__(
        self, native_id: int | None, group: ThreadGroup, clock: int | None, *, ignored: bool
    ) -> None:
        self.native_id = native_id
        self.group = group
        self.clock = clock
        """None where the thread's CPU time is not known."""
        self.ignored = ignored
        self.node = self.waited_at = group.node
        self.last_stack = LastStack(group.node)
        self.cpu = 0.0
        self.queued = self.queue_rate = self.used_since_read = 0.0
        self.looks_until_read = 0
        self.running = False
        self.owed_cpu = self.owed_busy = self.owed_off = 0.0
        self.carried = 0

    def read_cpu(self) -> float:
        """Return the thread's CPU seconds; 0 when it has just ended."""
        try:
            return time.clock_gettime(self.clock)  # type: ignore[arg-type]
        except OSError:
            return 0.0


class Threads:
    """The accounts of all threads, by ident."""

    def __init__(self, tree: CallTree, run_queue_seconds: Callable[[int], float] | None) -> None:
        self.groups: dict[str, ThreadGroup] = {}
        self.accounts: dict[int, ThreadAccount] = {}
        self.without_clock = 0
        self._tree = tree
        self._run_queue_seconds = run_queue_seconds
        main = threading.main_thread()
        self._main = main.ident
        # In a forked child `native_id` is still the parent's, before Python 3.13.
        here = threading.get_ident() == main.ident
        self._main_native_id = threading.get_native_id() if here else main.native_id
        self._own_files = os.path.join(
            os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "profilerkit"
        )

    def _native_id(self, ident: int) -> int | None:
        if ident == self._main:
            return self._main_native_id
        found: int | None = getattr(_known().get(ident), "_native_id", None)
        return found

    def account(self, ident: int) -> ThreadAccount | None:
        """Return the account of a thread that was seen before; idents are used again."""
        account = self.accounts.get(ident)
        native_id = self._native_id(ident)
        return account if account is None or native_id in (None, account.native_id) else None

    def open(self, ident: int, frame: FrameType, *, existed: bool = False) -> ThreadAccount:
        """Return a new account; of a thread that existed, what it has used so far does not count.

        A thread of our own is ignored: its outermost frame is in our code.
        """
        thread = _known().get(ident)
        native_id = self._native_id(ident)
        ignored = thread is None and self._is_ours(frame)
        has_clock = native_id is not None and self._run_queue_seconds is not None
        if ignored:
            group = ThreadGroup("", ROOT)
        else:
            group = self._group(str(getattr(thread, "_name", "(not of threading)")))
            group.count += 1
            self.without_clock += not has_clock
        clock = thread_clock(native_id) if native_id is not None and has_clock else None
        account = self.accounts[ident] = ThreadAccount(native_id, group, clock, ignored=ignored)
        if existed and native_id is not None and self._run_queue_seconds is not None:
            account.cpu, account.queued = account.read_cpu(), self._run_queue_seconds(native_id)
        return account

    def queued(self, account: ThreadAccount, used: float) -> float:
        """Return about how long a thread was ready to run without a processor, while it ran `used` seconds.

        Reading that costs more than all else in a look, so it is read now and then, and taken to go on
        at the same rate.
        """
        account.used_since_read += used
        account.looks_until_read -= 1
        if (
            account.looks_until_read < 0
            and self._run_queue_seconds is not None
            and account.native_id is not None
        ):
            queued = self._run_queue_seconds(account.native_id)
            account.queue_rate = max(0.0, queued - account.queued) / account.used_since_read
            account.queued, account.used_since_read = queued, 0.0
            account.looks_until_read = LOOKS_PER_READ
        return used * account.queue_rate

    def _group(self, name: str) -> ThreadGroup:
        if name not in self.groups and len(self.groups) >= MAX_NAMES:
            name = "".join("N" if each.isdigit() else each for each in name)
            if name not in self.groups and len(self.groups) >= 2 * MAX_NAMES:
                name = "(other threads)"
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = ThreadGroup(name, self._tree.child(ROOT, (name, "", 0)))
        return group

    def _is_ours(self, frame: FrameType) -> bool:
        outer: FrameType | None = frame
        while outer is not None:
            frame, outer = outer, outer.f_back
        return frame.f_code.co_filename.startswith(self._own_files)


def _known() -> Mapping[int, Any]:
    """Return the threads of `threading` by ident, without the lock that its `enumerate` takes.

    Of them plain attributes are read: a subclass may have made `name` a property of its own.
    """
    found: Mapping[int, Any] = getattr(threading, "_active", {})
    return found
