"""Keep what is known of one process of a tree, and judge what the kernel says of its memory."""

from __future__ import annotations

from attrs import define

from profilerkit_resources import procfs
from profilerkit_resources.capture import ProcessSummary

YOUNG_SECONDS = 0.2
"""How long a copy of its parent is taken to be on its way to execute another program."""


@define(eq=False)
class Member:
    """One process of the tree."""

    pid: int
    stat: procfs.Stat
    first_seen_seconds: float
    last_seen_seconds: float
    rss_bytes: int = 0
    spike_bytes: int = 0
    """RSS, or the kernel's peak where that has risen since the last look."""
    kernel_peak_bytes: int = 0
    peak_rss_bytes: int = 0
    """While it was recorded."""
    told_peak_bytes: int = 0
    counted: bool = False
    io: tuple[int, int] | None = None
    first_reaped_user: int = 0
    first_reaped_system: int = 0
    lost_user: int = 0
    """Ticks of its dead descendants, which its own count of reaped ones should hold by now."""
    lost_system: int = 0

    @property
    def user_ticks(self) -> int:
        """Return its time and its dead descendants', whether it waited for them or not."""
        missing = self.lost_user - (self.stat.reaped_user_ticks - self.first_reaped_user)
        return self.stat.user_ticks + self.stat.reaped_user_ticks + max(0, missing)

    @property
    def system_ticks(self) -> int:
        """Return the like of `user_ticks` in the kernel."""
        missing = self.lost_system - (self.stat.reaped_system_ticks - self.first_reaped_system)
        return self.stat.system_ticks + self.stat.reaped_system_ticks + max(0, missing)

    def summary(self) -> ProcessSummary:
        """Return what the capture keeps of it."""
        return ProcessSummary(
            pid=self.pid,
            start_ticks=self.stat.start_ticks,
            parent=self.stat.parent,
            command=self.stat.command,
            first_seen_seconds=self.first_seen_seconds,
            last_seen_seconds=self.last_seen_seconds,
            peak_rss_bytes=self.peak_rss_bytes,
        )

    def is_copy_of(self, parent: Member, uptime_ticks: float) -> bool:
        """Tell whether this is its parent's memory once more: between vfork or fork, and exec.

        To count it would double a large program's memory whenever it starts a small one.
        """
        same_size = self.stat.size_bytes == parent.stat.size_bytes
        same_stack = self.stat.start_stack != 0 and self.stat.start_stack == parent.stat.start_stack
        is_young = uptime_ticks - self.stat.start_ticks < YOUNG_SECONDS * procfs.ticks_per_second() + 1
        return (same_size and self.stat.rss_pages == parent.stat.rss_pages) or (
            is_young and (same_size or same_stack)
        )

    def measure(self, *, is_first_look: bool) -> None:
        """Read how much memory it uses, and what its peak tells of the time since the last look."""
        rss_bytes, kernel_peak_bytes = procfs.read_memory(self.pid)
        if not kernel_peak_bytes:  # on its way out: its memory is gone already
            self.rss_bytes = self.spike_bytes = 0
            return
        # A peak that is there at the first look may be from long before the recording.
        known = kernel_peak_bytes if is_first_look else self.kernel_peak_bytes
        # A peak well below the last one is that of another program, executed in its place.
        is_news = kernel_peak_bytes > known or kernel_peak_bytes < 0.9 * known
        self.kernel_peak_bytes = kernel_peak_bytes if is_news else known
        self.rss_bytes = rss_bytes
        self.spike_bytes = max(rss_bytes, kernel_peak_bytes if is_news else 0)
        self.peak_rss_bytes = max(self.peak_rss_bytes, self.spike_bytes)
