"""Read what Linux shows of a process under /proc, in as few system calls as it takes.

Only `io` and `smaps_rollup` need the right to trace the process: they are refused for other users'
processes and for those that are not dumpable. All sources: proc(5).
"""

from __future__ import annotations

import os
from typing import NamedTuple

LONGEST_BYTES = 1 << 20


class Stat(NamedTuple):
    """What `/proc/<pid>/stat` says. Times are in clock ticks, as integers, so that sums are exact."""

    command: str
    """At most 15 bytes, never arguments."""
    state: str
    parent: int
    user_ticks: int
    system_ticks: int
    reaped_user_ticks: int
    """Of children that were waited for, and theirs."""
    reaped_system_ticks: int
    threads: int
    start_ticks: int
    """Since boot: with the process id it tells this process from all others."""
    size_bytes: int
    """Of its address space."""
    rss_pages: int
    start_stack: int
    """0 where we may not trace it; else it changes when another program is executed."""

    @property
    def is_dead(self) -> bool:
        """Tell whether it has ended. A main thread that ended before others is a zombie as well."""
        return self.state in "ZX" and self.threads <= 1


def ticks_per_second() -> int:
    """Return the unit of the times in `Stat`."""
    return os.sysconf("SC_CLK_TCK")


def read_bytes(path: str, *, is_long: bool = False) -> bytes:
    """Return a small file's content, or nothing when it is gone or not ours to read.

    Lists, which the kernel may hand out in pieces of a page, are long; a single record is not.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = part = os.read(descriptor, 1 << 16)
        while is_long and part and len(data) < LONGEST_BYTES:
            part = os.read(descriptor, 1 << 16)
            data += part
        return data
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def read_stat(pid: int) -> Stat | None:
    """Return the process's state, or None when there is no such process."""
    data = read_bytes(f"/proc/{pid}/stat")
    end = data.rfind(b")")
    if end < 0:
        return None
    fields = data[end + 2 :].split()
    return Stat(
        command=data[data.index(b"(") + 1 : end].decode("utf-8", "replace"),
        state=fields[0].decode(),
        parent=int(fields[1]),
        user_ticks=int(fields[11]),
        system_ticks=int(fields[12]),
        reaped_user_ticks=int(fields[13]),
        reaped_system_ticks=int(fields[14]),
        threads=int(fields[17]),
        start_ticks=int(fields[19]),
        size_bytes=int(fields[20]),
        rss_pages=int(fields[21]),
        start_stack=int(fields[25]),
    )


def read_memory(pid: int) -> tuple[int, int]:
    """Return RSS and the kernel's own peak of it (VmHWM) in bytes; zeros when its memory is gone.

    The peak belongs to the address space: a forked child starts with its parent's RSS of that
    moment, and executing a program starts anew.
    """
    data = read_bytes(f"/proc/{pid}/status")
    return _kilobytes(data, b"\nVmRSS:"), _kilobytes(data, b"\nVmHWM:")


def read_io(pid: int) -> tuple[int, int] | None:
    """Return bytes fetched from and sent to storage, with those of reaped children; None if refused."""
    data = read_bytes(f"/proc/{pid}/io")
    read, written = data.find(b"\nread_bytes:"), data.find(b"\nwrite_bytes:")
    if read < 0 or written < 0:
        return None
    return int(data[read + 12 :].split(None, 1)[0]), int(data[written + 13 :].split(None, 1)[0])


def read_pss(pid: int) -> int | None:
    """Return RSS with each shared page divided by its users, in bytes; None if refused.

    The kernel walks the page tables for it: about 5 µs a MiB, and more with many mappings.
    """
    data = read_bytes(f"/proc/{pid}/smaps_rollup")
    return _kilobytes(data, b"\nPss:") if b"\nPss:" in data else None


def is_thread(pid: int) -> bool:
    """Tell whether an id is that of a further thread: its folder is not listed, but can be opened."""
    data = read_bytes(f"/proc/{pid}/status")
    start = data.find(b"\nTgid:")
    return start >= 0 and int(data[start + 6 :].split(None, 1)[0]) != pid


def last_pid() -> int | None:
    """Return the id given out last: they rise with every new process and thread, then start over."""
    fields = read_bytes("/proc/loadavg").split()
    return int(fields[4]) if len(fields) == 5 else None


def _kilobytes(data: bytes, name: bytes) -> int:
    start = data.find(name)
    if start < 0:
        return 0
    return int(data[start + len(name) : data.index(b"kB", start)]) * 1024
