"""Show in a minute what profilerkit is for: record a small ETL, kill a second run of it, look at both.

A third run goes on meanwhile, so that the page shows one that runs. On a terminal the page is served until
Ctrl-C; elsewhere it is asked for once, and its address is printed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from recorded import ETL, answer, call, command_line, environment, kill_in_the_middle, wait_until_shipped

FOLDER = Path(".demo").absolute()
PART = 0.3
"""Of a whole run's CPU time, after the ETL has begun to transform: it is comparing names then."""
LONGEST_SECONDS = 60.0


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
    with running():
        say(
            "6. See them in a browser, beside a third run that goes on.",
            f"serve --store {FOLDER.name}/store --port 0",
        )
        serve()
    print("\nLook further:")
    print(f"$ .venv/bin/profilerkit open latest --store {FOLDER.name}/store")
    return 0


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Keep a third run going that can be seen."""
    program = FOLDER / "nightly.py"
    program.write_text(
        "import time\nrows = []\nwhile True:\n    rows.append(bytes(1000))\n    time.sleep(0.001)\n"
    )
    command = [command_line(), "run", "--quiet", str(program)]
    process = subprocess.Popen(command, env=environment(FOLDER), stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + LONGEST_SECONDS
        while not any(each["status"] == "running" for each in answer(FOLDER, "list")):
            if time.monotonic() > end:
                raise SystemExit("The third run is not seen.")
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait()


def serve() -> None:
    """Serve the page: on a terminal until Ctrl-C, else until it has answered."""
    command = [command_line(), "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment(FOLDER), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        print(f"The page is at {address}", flush=True)
        try:
            if sys.stdout.isatty():
                print("Ctrl-C ends it.", flush=True)
                server.wait()
            else:
                with urllib.request.urlopen(address) as page:
                    text = page.read().decode()
                states = [each for each in ("Success", "Killed", "Running") if each in text]
                interrupted = "Interrupted" in text or "Killed" in text
                if not interrupted or "Running" not in text or "Success" not in text:
                    raise SystemExit(f"The page shows {', '.join(states) or 'none'} of what was recorded.")
        except KeyboardInterrupt:
            server.wait()
        finally:
            server.terminate()


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
