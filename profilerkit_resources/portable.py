"""Follow a process tree through psutil, where there is no /proc: not yet verified outside Linux."""

from __future__ import annotations

import time
from typing import Any

from attrs import Factory, define

from profilerkit_resources.capture import FirstLook, ProcessSummary, TreeNumbers


@define(eq=False)
class _Member:
    process: Any
    summary: ProcessSummary
    rss_bytes: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)
    io: tuple[int, int] | None = None
    threads: int = 0


@define(eq=False)
class PortableTree:
    """The recorded process and its descendants. Children that end between two looks are lost."""

    root: int
    _members: dict[int, _Member] = Factory(dict)
    _ended: list[_Member] = Factory(list)
    """Since the last look."""
    _gone_seconds: tuple[float, float] = (0.0, 0.0)
    _first: FirstLook | None = None
    _alive_seconds: float = 0.0

    def look(self, now_seconds: float) -> TreeNumbers:
        """Return what the tree uses now."""
        import psutil

        self._ended.clear()
        try:
            root = self._members[self.root].process if self._members else psutil.Process(self.root)
            for process in [root, *root.children(recursive=True)]:
                if process.pid not in self._members:
                    self._members[process.pid] = self._new(process, now_seconds)
        except (psutil.Error, KeyError):
            pass  # its descendants are still known
        for member in list(self._members.values()):
            try:
                self._refresh(member, now_seconds)
            except psutil.Error:
                self._bury(member)
        if self._first is None and self.root in self._members:
            self._first = self._first_look(self._members[self.root])
        return self._add_up()

    def first_look(self) -> FirstLook | None:
        """Return what was there before, None when the process was gone at the first look."""
        return self._first

    def pids(self) -> set[int]:
        """Return the processes of the tree that are there."""
        return set(self._members)

    def alive_seconds(self) -> float:
        """Return when the recorded process was last seen alive."""
        return self._alive_seconds

    def news(self) -> list[ProcessSummary]:
        """Return the processes that ended since the last look."""
        return [each.summary for each in self._ended]

    def summaries(self) -> list[ProcessSummary]:
        """Return all processes that are there."""
        return [each.summary for each in self._members.values()]

    def pss_bytes(self) -> int | None:
        """Return None: shared pages are not told apart here."""
        return None

    def _new(self, process: Any, now_seconds: float) -> _Member:
        return _Member(
            process,
            ProcessSummary(
                pid=process.pid,
                start_ticks=int(process.create_time() * 100),
                parent=process.ppid(),
                command=process.name()[:15],
                first_seen_seconds=now_seconds,
                last_seen_seconds=now_seconds,
                peak_rss_bytes=0,
            ),
        )

    def _refresh(self, member: _Member, now_seconds: float) -> None:
        import psutil
        from attrs import evolve

        process = member.process
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(process.pid)
        memory, cpu = process.memory_info(), process.cpu_times()
        member.rss_bytes = memory.rss
        member.seconds = cpu.user, cpu.system
        member.threads = process.num_threads()
        if hasattr(process, "io_counters"):  # not on macOS
            try:
                counters = process.io_counters()
                member.io = counters.read_bytes, counters.write_bytes
            except psutil.AccessDenied:
                pass
        peak_bytes = max(memory.rss, getattr(memory, "peak_wset", 0), member.summary.peak_rss_bytes)
        member.summary = evolve(member.summary, last_seen_seconds=now_seconds, peak_rss_bytes=peak_bytes)
        if process.pid == self.root:
            self._alive_seconds = now_seconds

    def _first_look(self, root: _Member) -> FirstLook:
        return FirstLook(
            age_seconds=max(0.0, time.time() - root.process.create_time()),
            peak_rss_bytes=root.summary.peak_rss_bytes,
            own_user_seconds=root.seconds[0],
            own_system_seconds=root.seconds[1],
        )

    def _bury(self, member: _Member) -> None:
        del self._members[member.summary.pid]
        self._ended.append(member)
        user, system = self._gone_seconds
        self._gone_seconds = user + member.seconds[0], system + member.seconds[1]

    def _add_up(self) -> TreeNumbers:
        members = list(self._members.values())
        root = self._members.get(self.root)
        rss_bytes = sum(each.rss_bytes for each in members)
        io = [each.io for each in members if each.io is not None]
        io_known = root is not None and root.io is not None
        return TreeNumbers(
            rss_bytes=rss_bytes,
            peak_rss_bytes=rss_bytes,
            own_rss_bytes=root.rss_bytes if root is not None else 0,
            process_peak_rss_bytes=max((each.summary.peak_rss_bytes for each in members), default=0),
            user_seconds=self._gone_seconds[0] + sum(each.seconds[0] for each in members),
            system_seconds=self._gone_seconds[1] + sum(each.seconds[1] for each in members),
            threads=sum(each.threads for each in members),
            processes=len(members),
            read_bytes=sum(each[0] for each in io) if io_known else None,
            written_bytes=sum(each[1] for each in io) if io_known else None,
        )
