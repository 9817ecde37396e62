"""Record a process from outside, as the watcher does: in a process of its own, told by its input."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from profilerkit.errors import ProfilerKitError
from profilerkit.model import ProcessIdentity, Subject, Target
from profilerkit_resources import cgroup, tree  # noqa: F401 - before files may become unreadable to us
from profilerkit_resources.procfs import read_stat
from profilerkit_resources.profiler import ResourcesProfiler

NOBODY = 65534


def main() -> None:
    """Start, say so, wait for a line, stop, and say how that went."""
    pid, folder, interval_seconds, *options = sys.argv[1:]
    if "small-disk" in options:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
    if "nobody" in options and os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    stat = read_stat(int(pid))
    target = Target(
        process=ProcessIdentity(int(pid), stat.start_ticks if stat else 1),
        subject=Subject("script", {"name": "test"}),
        thread_id=int(pid),
    )
    profiler = ResourcesProfiler(interval_seconds=float(interval_seconds))
    profiler.check(target)
    profiler.start(Path(folder), target)
    print("started", flush=True)
    sys.stdin.readline()
    try:
        profiler.stop()
    except ProfilerKitError as error:
        print(error, flush=True)
    else:
        print("stopped", flush=True)


if __name__ == "__main__":
    main()
