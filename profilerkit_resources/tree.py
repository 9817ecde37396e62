"""Follow a process and its descendants on Linux, and add up what they use.

A process belongs to the tree once it was seen as the child of a member, also when it is adopted by
another later. New ones are found by looking at the parents of process ids not seen before: the
kernel's own list of children is not compiled in everywhere, and is one file a thread.
"""

from __future__ import annotations

import os
import time

from attrs import Factory, define

from profilerkit_resources import procfs
from profilerkit_resources.capture import FirstLook, ProcessSummary, TreeNumbers
from profilerkit_resources.member import Member

LOOK_SECONDS = 0.1
"""What one look may take: in a huge tree the rest keeps its numbers until the next look."""

LIST_SECONDS = 5.0
"""How long the last process id given out is believed to say which ids are new, without listing all."""

MOST_NEW_PIDS = 64
"""How many new ids are looked at one by one; to list /proc costs as much as a hundred of them."""

FORGET_LISTS = 50
"""After how many lists the processes of others are looked at again: process ids are reused."""

PSS_BYTES = 16 << 30
"""The RSS up to which page tables are walked for shared pages: about 0.1 s."""


@define(eq=False)
class ProcessTree:
    """The recorded process and its descendants. All methods are for one thread."""

    root: int
    start_ticks: int
    """Of the root, 0 if unknown."""
    members: dict[int, Member] = Factory(dict)
    """By process id, parents before children."""
    _others: set[str] = Factory(set)
    """Names in /proc that are not of the tree."""
    _buried: dict[int, Member] = Factory(dict)
    """Those that were found ended in the last look."""
    _first: FirstLook | None = None
    _alive_seconds: float = 0.0
    _gone_user: int = 0
    """Ticks of members that ended with no living ancestor in the tree."""
    _gone_system: int = 0
    _gone_io: tuple[int, int] = (0, 0)
    _looks: int = 0
    _lists: int = 0
    _resume: int = 0
    _last_pid: int | None = None
    _list_again: float = 0.0

    def look(self, now_seconds: float) -> TreeNumbers:
        """Return what the tree uses now. `now_seconds` dates what is seen."""
        if self._looks == 0:
            self._begin(now_seconds)
        self._find_new(now_seconds)
        self._refresh_all(now_seconds)
        self._looks += 1
        return self._add_up()

    def first_look(self) -> FirstLook | None:
        """Return what was there before, None when the process was gone at the first look."""
        return self._first

    def pids(self) -> set[int]:
        """Return the processes of the tree that are there."""
        return set(self.members)

    def alive_seconds(self) -> float:
        """Return when the recorded process was last seen alive."""
        return self._alive_seconds

    def news(self) -> list[ProcessSummary]:
        """Return the processes that ended, or whose peak has grown by a fifth, since the last look."""
        grown = [each for each in self.members.values() if each.peak_rss_bytes > 1.2 * each.told_peak_bytes]
        for member in grown:
            member.told_peak_bytes = member.peak_rss_bytes
        return [each.summary() for each in (*self._buried.values(), *grown) if each.counted]

    def summaries(self) -> list[ProcessSummary]:
        """Return all processes that are there."""
        return [each.summary() for each in self.members.values() if each.counted]

    def pss_bytes(self) -> int | None:
        """Return the tree's memory with shared pages counted once, None if refused or too dear."""
        alive = [each for each in self.members.values() if each.rss_bytes]
        if len(alive) < 2 or sum(each.rss_bytes for each in alive) > PSS_BYTES:
            return None
        total = 0
        for each in alive:
            share = procfs.read_pss(each.pid)
            if share is None:
                return None
            total += share
        return total

    def _begin(self, now_seconds: float) -> None:
        stat = procfs.read_stat(self.root)
        if stat is not None and self.start_ticks in (0, stat.start_ticks):
            self._add(self.root, stat, now_seconds).counted = True
            self._first = FirstLook(
                age_seconds=time.clock_gettime(time.CLOCK_BOOTTIME)
                - stat.start_ticks / procfs.ticks_per_second(),
                peak_rss_bytes=procfs.read_memory(self.root)[1],
                own_user_seconds=(stat.user_ticks + stat.reaped_user_ticks) / procfs.ticks_per_second(),
                own_system_seconds=(stat.system_ticks + stat.reaped_system_ticks) / procfs.ticks_per_second(),
            )

    def _add(self, pid: int, stat: procfs.Stat, now_seconds: float) -> Member:
        member = self.members[pid] = Member(pid, stat, now_seconds, now_seconds)
        member.first_reaped_user = stat.reaped_user_ticks
        member.first_reaped_system = stat.reaped_system_ticks
        return member

    # -- finding ---------------------------------------------------------------------------------

    def _find_new(self, now_seconds: float) -> None:
        if not self.members:
            return
        before, last = self._last_pid, procfs.last_pid()
        self._last_pid = last
        if before is None or last is None or now_seconds >= self._list_again:
            new = None
        else:
            new = range(before + 1, last + 1) if 0 <= last - before <= MOST_NEW_PIDS else None
        if new is None:
            self._list_again = now_seconds + LIST_SECONDS
            self._find_in_list(now_seconds)
        else:
            unknown = (pid for pid in new if pid not in self.members)
            self._adopt(
                {pid: stat for pid in unknown if (stat := procfs.read_stat(pid))},
                now_seconds,
            )

    def _find_in_list(self, now_seconds: float) -> None:
        self._lists += 1
        if self._lists % FORGET_LISTS == 0:
            self._others.clear()
        names = set(os.listdir("/proc"))
        self._others &= names
        new: dict[int, procfs.Stat] = {}
        for name in names - self._others:
            if not name.isdigit():
                self._others.add(name)
            elif int(name) not in self.members and (stat := procfs.read_stat(int(name))):
                new[int(name)] = stat
        self._adopt(new, now_seconds)

    def _adopt(self, new: dict[int, procfs.Stat], now_seconds: float) -> None:
        new.pop(os.getpid(), None)
        while family := [pid for pid, stat in new.items() if stat.parent in self.members]:
            for pid in family:
                stat = new.pop(pid)
                if not procfs.is_thread(pid):
                    self._add(pid, stat, now_seconds)
        for pid, stat in new.items():
            # A parent that was not listed may itself turn out to be one of ours: look again.
            if stat.parent == 0 or stat.parent in new or str(stat.parent) in self._others:
                self._others.add(str(pid))

    # -- looking ---------------------------------------------------------------------------------

    def _refresh_all(self, now_seconds: float) -> None:
        """Read parents before children, so that who was reaped meanwhile is not counted twice."""
        self._buried.clear()
        order = list(self.members.values())
        first = self._resume if self._resume < len(order) else 0
        self._resume = 0
        uptime_ticks = time.clock_gettime(time.CLOCK_BOOTTIME) * procfs.ticks_per_second()
        end = time.monotonic() + LOOK_SECONDS
        for index, member in enumerate(order[first:] + order[:first], first):
            self._refresh(member, now_seconds, uptime_ticks)
            if time.monotonic() > end:
                self._resume = (index + 1) % len(order)
                break

    def _refresh(self, member: Member, now_seconds: float, uptime_ticks: float) -> None:
        stat = procfs.read_stat(member.pid)
        if stat is None or stat.start_ticks != member.stat.start_ticks:
            self._bury(member)
            return
        member.stat = stat
        if stat.is_dead:
            member.rss_bytes = member.spike_bytes = 0
        else:
            member.last_seen_seconds = now_seconds
            if member.pid == self.root:
                self._alive_seconds = now_seconds
            parent = self.members.get(stat.parent)
            if not member.counted:
                member.counted = parent is None or not member.is_copy_of(parent, uptime_ticks)
            if member.counted:
                member.measure(is_first_look=self._looks == 0)
        member.io = procfs.read_io(member.pid) or member.io

    def _bury(self, member: Member) -> None:
        """Hand on the time of one that has ended to whoever may have reaped it or its reaper.

        Only what these do not count themselves is added, so it is never counted twice; a program
        that ignores SIGCHLD counts none of its children.
        """
        del self.members[member.pid]
        self._buried[member.pid] = member
        ancestor = member.stat.parent
        if member.io is not None and ancestor not in self.members:
            read, written = self._gone_io
            self._gone_io = read + member.io[0], written + member.io[1]
        while ancestor in self._buried and ancestor not in self.members:
            ancestor = self._buried[ancestor].stat.parent
        if ancestor in self.members:
            self.members[ancestor].lost_user += member.user_ticks
            self.members[ancestor].lost_system += member.system_ticks
        else:
            self._gone_user += member.user_ticks
            self._gone_system += member.system_ticks

    # -- adding up -------------------------------------------------------------------------------

    def _add_up(self) -> TreeNumbers:
        members = self.members.values()
        alive = [each for each in members if not each.stat.is_dead]
        root = self.members.get(self.root)
        rss_bytes = sum(each.rss_bytes for each in alive)
        # Peaks of different processes need not have been at one time: add only the largest rise.
        rise = max((each.spike_bytes - each.rss_bytes for each in alive), default=0)
        known_io = [each.io for each in members if each.io is not None] + [self._gone_io]
        io_known = root is not None and root.io is not None
        ticks = procfs.ticks_per_second()
        return TreeNumbers(
            rss_bytes=rss_bytes,
            peak_rss_bytes=rss_bytes + rise,
            own_rss_bytes=root.rss_bytes if root is not None else 0,
            process_peak_rss_bytes=max((each.spike_bytes for each in alive), default=0),
            user_seconds=(self._gone_user + sum(each.user_ticks for each in members)) / ticks,
            system_seconds=(self._gone_system + sum(each.system_ticks for each in members)) / ticks,
            threads=sum(each.stat.threads for each in alive),
            processes=len(alive),
            read_bytes=sum(each[0] for each in known_io) if io_known else None,
            written_bytes=sum(each[1] for each in known_io) if io_known else None,
        )
