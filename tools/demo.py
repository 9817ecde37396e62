"""Show in a minute what profilerkit is for: record a small ETL, kill a second run of it, look at both."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from recorded import ETL, answer, call, kill_in_the_middle, wait_until_shipped

FOLDER = Path(".demo").absolute()
PART = 0.3
"""Of a whole run's CPU time, after the ETL has begun to transform: it is comparing names then."""


def main() -> int:
    """Run the demo and return the exit code of the first command that fails."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    say(f"1. Record a small ETL. Everything is kept in {FOLDER.name}/.", f"run {ETL}")
    before = cpu_seconds_of_children()
    if code := call(FOLDER, "run", ETL):
        return code
    cpu_seconds = PART * (cpu_seconds_of_children() - before)
    wait_until_shipped(FOLDER)
    say(
        "2. Run it again, and kill it in the middle with SIGKILL, as the kernel does.",
        f"run {ETL}",
    )
    kill_in_the_middle(FOLDER, step="transform", cpu_seconds=cpu_seconds)
    wait_until_shipped(FOLDER)
    for words, arguments in (
        ("3. Both are there.", ["list"]),
        ("4. The first ended well.", ["show", oldest()]),
        ("5. The second was killed: this is what was recorded until then.", ["show", "latest"]),
    ):
        say(words, " ".join(arguments))
        if code := call(FOLDER, *arguments):
            return code
    print("\nLook further:")
    print(f"$ .venv/bin/profilerkit report latest memray.flamegraph --open --store {FOLDER.name}/store")
    return 0


def cpu_seconds_of_children() -> float:
    """Return what the commands that have ended took."""
    times = os.times()
    return times.children_user + times.children_system


def oldest() -> str:
    """Return the id of the first recording: ids sort by time."""
    return str(min(each["id"] for each in answer(FOLDER, "list")))


def say(words: str, command: str) -> None:
    """Announce a command."""
    print(f"\n── {words}\n$ profilerkit {command}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
