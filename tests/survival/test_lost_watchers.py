"""Whoever else is killed, nothing is lost that was shipped or lies in a spool."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.lab import Lab, first_line, kill

from .conftest import PROGRAM

INSIDE = ("-p", "memray", "-p", "resources")


def kill_watcher(lab: Lab) -> None:
    """Kill the one watcher there is, once it watches."""
    lab.wait_until(lambda: bool(lab.watchers()))
    (pid,) = lab.watchers()
    os.kill(pid, signal.SIGKILL)
    lab.wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_killed_watcher_changes_nothing_for_the_program(lab: Lab) -> None:
    """The session finds its watcher dead at the end and has another one ship."""
    script = lab.script(
        "import sys, time\nprint('ready', flush=True)\nsys.stdin.read()\nprint('end')\nsys.exit(4)"
    )
    process = lab.start("-q", *INSIDE, script.name, stdin=-1)
    assert first_line(process) == "ready\n"
    kill_watcher(lab)
    out, _ = process.communicate("", timeout=60)
    assert (out, process.returncode) == ("end\n", 4)
    lab.wait_shipped()
    shown = lab.show()
    assert (shown["status"], shown["outcome"]) == ("partial", "failed")
    by_profiler = {each["profiler"]: each for each in shown["captures"]}
    assert by_profiler["memray"]["status"] == "complete"
    assert "watcher" in by_profiler["resources"]["error"]


@pytest.mark.slow
def test_both_killed_is_recovered_from_the_spool(lab: Lab) -> None:
    """With nobody left, the list still shows the recording, and `recover` ships it."""
    process = lab.start("-q", *INSIDE, lab.script(PROGRAM.format(extra="")).name)
    first_line(process)
    time.sleep(1.0)
    kill_watcher(lab)
    kill(process)
    assert [each["status"] for each in lab.list()] == ["interrupted"]
    assert lab.show()["hot"]["memray"]
    recovered = json.loads(lab.command("recover", "--json").stdout)
    assert [each["status"] for each in recovered["shipped"]] == ["interrupted"]
    assert lab.spools() == []
    assert [each["status"] for each in lab.list()] == ["interrupted"]
    assert lab.show()["hot"]["memray"]


@pytest.mark.slow
def test_the_next_recording_ships_an_orphan(lab: Lab) -> None:
    """Recovery needs no command where recordings go on."""
    process = lab.start("-q", *INSIDE, lab.script(PROGRAM.format(extra="")).name)
    first_line(process)
    kill_watcher(lab)
    kill(process)
    assert len(lab.spools()) == 1
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    assert sorted(each["status"] for each in lab.list()) == ["complete", "interrupted"]


@pytest.mark.slow
def test_both_killed_and_the_spool_deleted_falls_silent(lab: Lab) -> None:
    """What was shipped at the last checkpoint is there, and its silent heartbeat says interrupted."""
    lab.environment["PROFILERKIT_CHECKPOINT_INTERVAL"] = "2"
    process = lab.start("-q", *INSIDE, lab.script(PROGRAM.format(extra="")).name)
    first_line(process)
    lab.wait_until(lambda: any(lab.store.glob("journal/*/*-running.json")))
    lab.wait_until(lambda: not any(lab.spool.glob("*/taken.json")))
    kill_watcher(lab)
    kill(process)
    for spool in lab.spools():
        shutil.rmtree(spool)
    lab.wait_until(lambda: [each["status"] for each in lab.list()] == ["interrupted"], 30)
    shown = lab.show()
    assert shown["outcome"] == "unknown"
    assert "no sign of life since" in shown["evidence"][-1]["text"]
    assert shown["hot"]["memray"]


@pytest.mark.slow
def test_a_store_that_comes_back_gets_everything(lab: Lab) -> None:
    """While the store is unreachable the spool keeps the recording; then it is shipped."""
    lab.store.write_text("in the way: no folder can be made here")
    assert lab.start("-q", *INSIDE, "-c", "print(1)").wait(60) == 0
    lab.wait_until(lambda: any(_ship_errors(lab)))
    assert len(lab.spools()) == 1
    lab.store.unlink()
    lab.wait_shipped(120)
    assert [each["status"] for each in lab.list()] == ["complete"]


def _ship_errors(lab: Lab) -> list[str]:
    found = []
    for spool in lab.spools():
        log = spool / "watcher.log"
        if log.exists() and log.read_text():
            found.append(log.read_text())
    return found


@pytest.mark.slow
def test_a_spool_that_vanishes_harms_nobody(lab: Lab) -> None:
    """The program goes on when its spool is deleted under it."""
    script = lab.script("import sys\nprint('ready', flush=True)\nsys.stdin.read()\nprint('end')")
    process = lab.start("-q", *INSIDE, script.name, stdin=-1)
    first_line(process)
    lab.wait_until(lambda: bool(lab.watchers()))
    for spool in lab.spools():
        shutil.rmtree(spool, ignore_errors=True)
    out, _ = process.communicate("", timeout=60)
    assert (out, process.returncode) == ("end\n", 0)
