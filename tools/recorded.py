"""Record the example ETL into a folder, whole or killed in the middle, for the demo and the picture."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

ETL = "examples/etl.py"
LONGEST_SHIPPING_SECONDS = 60.0


def command_line() -> str:
    """Return the profilerkit that is installed beside this Python."""
    return str(Path(sys.executable).with_name("profilerkit"))


def environment(folder: Path) -> dict[str, str]:
    """Return our environment with the store and the spool in `folder`."""
    ours = {"PROFILERKIT_STORE": str(folder / "store"), "PROFILERKIT_SPOOL": str(folder / "spool")}
    return {**os.environ, **ours}


def call(folder: Path, *arguments: str) -> int:
    """Run one profilerkit command to its end, on our own terminal, and return its exit code."""
    return subprocess.run([command_line(), *arguments], env=environment(folder), check=False).returncode


def answer(folder: Path, *arguments: str) -> Any:
    """Return what a profilerkit command says with `--json`."""
    command = [command_line(), *arguments, "--json"]
    return json.loads(
        subprocess.run(command, env=environment(folder), check=True, capture_output=True).stdout
    )


def kill_in_the_middle(folder: Path, *, step: str, cpu_seconds: float) -> None:
    """Record the ETL, and kill it with SIGKILL when it has computed so long since the beginning of a step."""
    command = [command_line(), "run", ETL]
    with subprocess.Popen(command, env=environment(folder), stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            print(line, end="", flush=True)
            if line.startswith(step):
                break
        with contextlib.suppress(psutil.NoSuchProcess):
            end = _cpu_seconds(program.pid) + cpu_seconds
            while _cpu_seconds(program.pid) < end:
                time.sleep(0.01)
        program.send_signal(signal.SIGKILL)
    if program.returncode != -signal.SIGKILL:
        raise SystemExit(f"The ETL was to be killed in the middle, but ended with {program.returncode}.")


def _cpu_seconds(pid: int) -> float:
    found = psutil.Process(pid).cpu_times()
    return float(found.user + found.system)


def wait_until_shipped(folder: Path) -> None:
    """Wait until nothing of ours is left in the spool."""
    end = time.monotonic() + LONGEST_SHIPPING_SECONDS
    while any(not each.name.startswith(".") for each in (folder / "spool").iterdir()):
        if time.monotonic() > end:
            raise SystemExit(f"A recording was not shipped within {LONGEST_SHIPPING_SECONDS:.0f} s.")
        time.sleep(0.1)
