"""Read what the kernel counts for the container of a process: its own memory cgroup, version 1 or 2.

These numbers hold file cache and every process of the container, so they are never the program's own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from attrs import define, field

from profilerkit_resources.capture import ContainerFacts
from profilerkit_resources.procfs import read_bytes, read_stat

UNLIMITED_BYTES = 1 << 60
"""Version 1 writes "no limit" as the largest multiple of a page."""


class _Files(NamedTuple):
    usage: str
    limit: str
    peak: str
    events: str


V1 = _Files(
    "memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"
)
V2 = _Files("memory.current", "memory.max", "memory.peak", "memory.events")


@define
class Container:
    """The memory cgroup of a process."""

    folder: Path
    top: Path
    """Where the hierarchy is mounted: limits hold down from there."""
    files: _Files
    _peak_at_start_bytes: int = field(init=False)
    _kills_at_start: int = field(init=False)
    _most_others: int = field(default=0, init=False)
    _strangers: set[int] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._peak_at_start_bytes = self._number(self.folder, self.files.peak) or 0
        self._kills_at_start = self._kills() or 0

    def usage_bytes(self) -> int | None:
        """Return what is charged to it now, file cache included."""
        return self._number(self.folder, self.files.usage)

    def facts(self, members: set[int]) -> ContainerFacts:
        """Return its limit, and what happened since this object was made; `members` are not others."""
        peak_bytes = self._number(self.folder, self.files.peak) or 0
        kills = self._kills()
        self._most_others = max(self._most_others, self._others(members))
        return ContainerFacts(
            limit_bytes=self._limit_bytes(),
            # The kernel's peak is from the container's whole life: it is ours only if it has risen.
            peak_bytes=peak_bytes if peak_bytes > self._peak_at_start_bytes else None,
            oom_kills=None if kills is None else max(0, kills - self._kills_at_start),
            other_processes=self._most_others,
        )

    def _limit_bytes(self) -> int | None:
        """Return the lowest limit on the way up; None when there is none."""
        up = [self.folder, *(each for each in self.folder.parents if each.is_relative_to(self.top))]
        limits = [self._number(each, self.files.limit) for each in up]
        return min((each for each in limits if each is not None and each < UNLIMITED_BYTES), default=None)

    def _kills(self) -> int | None:
        found = re.search(rb"^oom_kill (\d+)$", self._read(self.folder, self.files.events), re.MULTILINE)
        return int(found[1]) if found else None

    def _others(self, members: set[int]) -> int:
        """Count the processes in it that are neither recorded, nor us, nor started by us."""
        here = {int(pid) for pid in read_bytes(f"{self.folder}/cgroup.procs", is_long=True).split()}
        others = here - members - {0, os.getpid()}
        self._strangers &= others
        for pid in others - self._strangers:
            stat = read_stat(pid)
            if stat is not None and stat.parent != os.getpid():
                self._strangers.add(pid)
        return len(self._strangers)

    def _number(self, folder: Path, name: str) -> int | None:
        text = self._read(folder, name).strip()
        return int(text) if text.isdigit() else None

    def _read(self, folder: Path, name: str) -> bytes:
        return read_bytes(f"{folder}/{name}")


def find_container(pid: int, known_folder: str | None = None) -> Container | None:
    """Return the container of a process, None when it runs in none: then the counters are the machine's.

    A folder that is known already saves the search for it; it is checked.
    """
    mounts = mounts_in(read_bytes("/proc/self/mountinfo", is_long=True).decode("utf-8", "replace"))
    groups = groups_in(read_bytes(f"/proc/{pid}/cgroup").decode("utf-8", "replace"))
    for files in (V1, V2):
        mount, group = mounts.get(files), groups.get(files)
        if mount is None or group is None:
            continue
        root, top = mount
        below = os.path.relpath(group, root) if group.startswith(root) else "."
        for folder in filter(None, (known_folder, str(top / below))):
            container = _container_at(Path(folder), top, files)
            if container is not None:
                return container
    return None


def _container_at(folder: Path, top: Path, files: _Files) -> Container | None:
    """Return the nearest cgroup from `folder` up that counts memory and is not the machine's own."""
    for each in (folder, *folder.parents):
        # The root of version 1 alone has a release agent; that of version 2 has no usage.
        is_machine = (each / "release_agent").exists()
        if not each.is_relative_to(top) or is_machine:
            return None
        if (each / files.usage).exists():
            return Container(each, top, files)
    return None


def groups_in(text: str) -> dict[_Files, str]:
    """Return the process's path in each hierarchy that may count memory (cgroups(7))."""
    groups = {}
    for line in text.splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if "memory" in controllers.split(","):
            groups[V1] = path
        elif not controllers:
            groups[V2] = path
    return groups


def mounts_in(text: str) -> dict[_Files, tuple[str, Path]]:
    """Return which part of each hierarchy is mounted, and where (proc(5), mountinfo)."""
    mounts: dict[_Files, tuple[str, Path]] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        where = fields[3], Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4]))
        if kind[0] == "cgroup" and "memory" in kind[2].split(","):
            mounts.setdefault(V1, where)
        elif kind[0] == "cgroup2":
            mounts.setdefault(V2, where)
    return mounts
