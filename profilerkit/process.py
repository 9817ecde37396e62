"""Tell one process from another, whether it lives, and how it ended; standard library only.

Used inside recorded processes and in the watcher, so it imports next to nothing.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PIDFD_GET_INFO = 0xC040FF0B
"""`_IOWR(0xFF, 11, struct pidfd_info)` with the first published size of 64 bytes (linux/pidfd.h)."""
_PIDFD_INFO_EXIT = 1 << 3


def read_text(path: str) -> str:
    """Return a small file's text, or nothing when it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        return ""
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):  # some of /proc comes in pieces of a page
            parts.append(part)
        return b"".join(parts).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def stat_fields(pid: int) -> list[str]:
    """Return the fields of `/proc/<pid>/stat` from the third on (proc(5)): [0] is the state."""
    text = read_text(f"/proc/{pid}/stat")
    return text[text.rfind(")") + 2 :].split() if ")" in text else []


def identity(pid: int) -> dict[str, Any]:
    """Return what identifies a process of this host for all time; see `model.ProcessIdentity`."""
    fields = stat_fields(pid)
    return {
        "pid": pid,
        "start_ticks": int(fields[19]) if fields else 0,
        "boot_id": boot_id(),
        "pid_namespace": pid_namespace(),
        "start_stack": int(fields[25]) if fields else 0,
    }


def boot_id() -> str:
    """Return what changes with every boot of this host; empty where the system has no such thing."""
    return read_text("/proc/sys/kernel/random/boot_id").strip()


def pid_namespace() -> str:
    """Return the name of the namespace in which our process ids mean something."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def is_here(process: dict[str, Any]) -> bool:
    """Tell whether a process id recorded earlier can be judged from here: same boot, same namespace."""
    same_boot: bool = process["boot_id"] == boot_id()
    same_namespace: bool = process["pid_namespace"] == pid_namespace()
    return same_boot and same_namespace


def is_alive(process: dict[str, Any]) -> bool:
    """Tell whether this very process still runs. A zombie is dead; so is one of another boot."""
    pid = int(process["pid"])
    if sys.platform.startswith("linux"):
        fields = stat_fields(pid)
        return bool(fields) and fields[0] not in "ZX" and int(fields[19]) == process["start_ticks"]
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def other_program(process: dict[str, Any]) -> bool:
    """Tell whether the process has executed another program since `process` was noted."""
    fields = stat_fields(int(process["pid"]))
    stack = int(fields[25]) if fields else 0
    return bool(stack and process["start_stack"] and stack != process["start_stack"])


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor of the process itself, however its id is reused; None if there is none."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None


def exit_status(pidfd: int | None, pid: int) -> int | None:
    """Return the wait status of a dead process that is not our child, where the kernel tells; else None.

    A zombie shows it in field 52 of its stat file; a reaped one through `PIDFD_GET_INFO` (Linux 6.15).
    """
    fields = stat_fields(pid)
    if fields and fields[0] == "Z" and len(fields) > 49:
        return int(fields[49])
    if pidfd is None:
        return None
    import fcntl

    request = bytearray(struct.pack("QQ", _PIDFD_INFO_EXIT, 0).ljust(64, b"\0"))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, request)
    except OSError:
        return None
    (mask,) = struct.unpack_from("Q", request, 0)
    return struct.unpack_from("i", request, 60)[0] if mask & _PIDFD_INFO_EXIT else None


def can_have_watcher() -> bool:
    """Tell whether a watcher can be started that is nobody's child here."""
    return hasattr(os, "posix_spawn") and not is_orphans_parent()


def is_orphans_parent() -> bool:
    """Tell whether orphaned descendants become our children: we are PID 1, or a subreaper (prctl(2))."""
    if os.getpid() == 1:
        return True
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes

        answer = ctypes.c_int(0)
        ctypes.CDLL(None).prctl(37, ctypes.byref(answer), 0, 0, 0)  # PR_GET_CHILD_SUBREAPER
        return bool(answer.value)
    except (ImportError, OSError, AttributeError):
        return False


def cgroup_folder(pid: int) -> str | None:
    """Return the folder with the memory counters of a process's own container, or None."""
    for line in read_text(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if "memory" in controllers.split(","):
            candidates = [f"/sys/fs/cgroup/memory{path}", "/sys/fs/cgroup/memory"]
        elif not controllers:
            candidates = [f"/sys/fs/cgroup{path}", "/sys/fs/cgroup"]
        else:
            continue
        for folder in candidates:
            # The root of a hierarchy (only that of v1 has a release agent) counts the whole machine.
            if not os.path.exists(f"{folder}/release_agent") and any(
                os.path.exists(f"{folder}/{name}") for name in ("memory.events", "memory.oom_control")
            ):
                return folder
    return None


def oom_kills(cgroup: str | None) -> dict[str, int]:
    """Return how often the kernel's OOM killer has struck: in the container, on the machine."""
    counters = {}
    if cgroup is not None:
        for name in ("memory.events", "memory.oom_control"):
            counters.update(_counter(read_text(f"{cgroup}/{name}"), "container"))
    counters.update(_counter(read_text("/proc/vmstat"), "machine"))
    return counters


def _counter(text: str, name: str) -> dict[str, int]:
    counts = [int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")]
    return {name: counts[0]} if counts else {}


def memory_share(cgroup: str | None) -> float | None:
    """Return which part of its memory limit the container uses, None without a limit."""
    for used, limit in (
        ("memory.current", "memory.max"),
        ("memory.usage_in_bytes", "memory.limit_in_bytes"),
    ):
        numbers = [read_text(f"{cgroup}/{name}").strip() for name in (used, limit)]
        if all(each.isdigit() for each in numbers) and 0 < int(numbers[1]) < 1 << 60:
            return int(numbers[0]) / int(numbers[1])
    return None


def own_rss_bytes() -> tuple[int | None, int | None]:
    """Return this process's RSS and the kernel's high-water mark of it (VmHWM), None where there is none."""
    found: dict[str, int] = {}
    for line in read_text("/proc/self/status").splitlines():
        name, _, value = line.partition(":")
        if name in ("VmHWM", "VmRSS"):
            found[name] = int(value.split()[0]) * 1024
            if len(found) == 2:
                break
    return found.get("VmRSS"), found.get("VmHWM")
