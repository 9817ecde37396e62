"""Test what is read of the container: real cgroups where they may be made, else the kernel's formats."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from profilerkit.interfaces import CaptureFiles
from profilerkit_resources.cgroup import V1, V2, Container, find_container, groups_in, mounts_in
from profilerkit_resources.profiler import ResourcesProfiler

from .conftest import record

MIB = 1 << 20


def write_v2(folder: Path, *, current: int, most: str, peak: int | None, kills: int) -> None:
    """Write the files that version 2 shows in a cgroup's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.max").write_text(f"{most}\n")
    if peak is not None:
        (folder / "memory.peak").write_text(f"{peak}\n")
    (folder / "memory.events").write_text(
        f"low 0\nhigh 0\nmax 3\noom 1\noom_kill {kills}\noom_group_kill 0\n"
    )
    (folder / "cgroup.procs").write_text("")


def test_version_2_is_read(tmp_path: Path) -> None:
    """The limit is the lowest on the way up; peak and kills count only when they rose."""
    pod, own = tmp_path / "pod", tmp_path / "pod" / "container"
    write_v2(pod, current=300, most="1000", peak=500, kills=0)
    write_v2(own, current=200, most="max", peak=400, kills=2)
    container = Container(own, tmp_path, V2)
    before = container.facts(set())
    assert (container.usage_bytes(), before.limit_bytes) == (200, 1000)
    assert (before.peak_bytes, before.oom_kills) == (None, 0)
    write_v2(own, current=100, most="600", peak=550, kills=3)
    after = container.facts(set())
    assert (after.limit_bytes, after.peak_bytes, after.oom_kills) == (600, 550, 1)


def test_version_2_without_a_peak_is_read(tmp_path: Path) -> None:
    """Kernels before 5.19 have no peak: it is unknown."""
    write_v2(tmp_path / "own", current=200, most="max", peak=None, kills=0)
    assert Container(tmp_path / "own", tmp_path, V2).facts(set()).peak_bytes is None


def test_a_container_that_vanishes_is_unknown(tmp_path: Path) -> None:
    """When the folder is gone nothing is known, and nothing is raised."""
    write_v2(tmp_path / "own", current=200, most="max", peak=400, kills=2)
    container = Container(tmp_path / "own", tmp_path, V2)
    for each in (tmp_path / "own").iterdir():
        each.unlink()
    (tmp_path / "own").rmdir()
    facts = container.facts(set())
    assert (container.usage_bytes(), facts.limit_bytes, facts.oom_kills) == (None, None, None)


def test_mounts_and_groups_are_understood() -> None:
    """The formats of /proc/self/mountinfo and /proc/<pid>/cgroup, of both versions side by side."""
    mounts = mounts_in(
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "35 31 0:32 /docker/abc /sys/fs/cgroup/my\\040memory rw shared:9 - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
        "short line\n"
    )
    assert {
        V1: ("/docker/abc", Path("/sys/fs/cgroup/my memory")),
        V2: ("/", Path("/sys/fs/cgroup/unified")),
    } == mounts
    groups = groups_in("9:name=systemd:/\n4:cpu,memory:/docker/abc/x:y\n0::/user.slice\n")
    assert groups == {V1: "/docker/abc/x:y", V2: "/user.slice"}


@pytest.fixture
def small_container() -> Iterator[Path]:
    """Return a real memory cgroup of this machine with a limit of 64 MiB."""
    for top, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        folder = top / f"profilerkit-test-{uuid.uuid4().hex}"
        try:
            folder.mkdir()
            (folder / limit).write_text(str(64 * MIB))
        except OSError:
            if folder.exists():
                folder.rmdir()
            continue
        yield folder
        for _ in range(100):
            try:
                folder.rmdir()
                break
            except OSError:
                subprocess.run(["sleep", "0.05"], check=True)
        return
    pytest.skip("no memory cgroup can be made here (not root, or read-only)")


EATER = """
import os, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
print(flush=True)
sys.stdin.readline()
blocks = [bytearray(os.urandom(1 << 20)) for _ in range(200)]
"""


def test_a_kill_for_lack_of_memory_is_counted(small_container: Path, tmp_path: Path) -> None:
    """When the kernel kills the process at its container's limit, the reading has limit, peak and kill."""
    process = subprocess.Popen(
        [sys.executable, "-c", EATER, str(small_container)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    found = find_container(process.pid)
    assert found is not None
    assert found.folder == small_container
    recorder = record(process.pid, tmp_path, 0.05)
    process.communicate(b"\n")
    assert process.returncode == -9
    assert recorder.communicate("\n")[0].strip() == "stopped"
    reading = ResourcesProfiler.read(CaptureFiles(tmp_path))
    assert reading.summary["container_limit_bytes"] == 64 * MIB
    assert reading.summary["container_oom_kills"] == 1
    assert 60 * MIB < (reading.summary["container_peak_bytes"] or 0) <= 64 * MIB
    assert any("no other processes were seen in it" in note for note in reading.notes)
    assert any("lack of memory" in note for note in reading.notes)


def test_the_machines_own_counters_are_no_container() -> None:
    """A process in the root of the hierarchy has no container; any other has one, which counts it."""
    found = find_container(os.getpid())
    if found is not None:
        assert str(os.getpid()) in (found.folder / "cgroup.procs").read_text().split()
        assert (found.usage_bytes() or 0) > 0
        assert not (found.folder / "release_agent").exists()
