"""A killed program leaves its evidence."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, first_line, kill

from .conftest import PROGRAM

ALL = ("-p", "resources", "-p", "cpu", "-p", "memray")
KILLS = int(os.environ.get("PROFILERKIT_TEST_KILLS", "10"))
LISTED_WITHIN_SECONDS = 20.0

FORKED_CHILD = """
if os.fork() == 0:
    time.sleep(30)
    os._exit(0)
"""

DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 256)
    time.sleep(30)
    os._exit(0)
os.wait()
"""


def kill_one(lab: Lab, number: int, extra: str = "", seconds: float | None = None) -> None:
    """Run the program and SIGKILL it between 0.3 and 3 s after its first line."""
    script = lab.script(PROGRAM.format(extra=extra), f"program{number}.py")
    process = lab.start("-q", *ALL, "--name", f"victim-{number}", script.name)
    assert first_line(process).startswith("ready")
    time.sleep(random.uniform(0.3, 3.0) if seconds is None else seconds)
    kill(process)


def assert_evidence(shown: dict[str, Any]) -> None:
    """Check that a killed recording says what it must."""
    assert shown["status"] == "interrupted"
    assert shown["outcome"] in ("killed", "unknown")
    assert any("SIGKILL" in each["text"] or each["kind"] == "silent_end" for each in shown["evidence"])
    allocating = {row["function"] for row in shown["hot"]["memray"][:2]}
    assert allocating & {"allocate", "<listcomp>"}, shown["hot"]["memray"][:3]
    assert any(row["function"] == "spin" for row in shown["hot"]["cpu"][:2]), shown["hot"]["cpu"][:3]
    assert shown["summary"]["peak_rss_bytes"] > shown["summary"]["peak_heap_bytes"] > 500_000


@pytest.mark.slow
def test_every_killed_run_is_listed_with_its_evidence(lab: Lab) -> None:
    """SIGKILL at any moment: each run is interrupted, names its functions, and leaves no spool."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(kill_one, lab, number) for number in range(KILLS)]:
            done.result()
    lab.wait_shipped()
    found = {each["names"]["name"]: each for each in lab.list()}
    assert {f"victim-{number}" for number in range(KILLS)} == set(found)
    for each in found.values():
        assert_evidence(lab.show(each["id"]))


@pytest.mark.parametrize("extra", ["", FORKED_CHILD, DAEMON], ids=["alone", "forked-child", "daemon"])
@pytest.mark.slow
def test_a_killed_run_is_listed_soon(lab: Lab, extra: str) -> None:
    """A child that lives on, with every inherited descriptor, does not hide the death."""
    kill_one(lab, 1, extra, seconds=1.0)
    killed_at = time.monotonic()
    lab.wait_until(lambda: [each["status"] for each in lab.list()] == ["interrupted"], LISTED_WITHIN_SECONDS)
    assert time.monotonic() - killed_at < LISTED_WITHIN_SECONDS
    lab.wait_shipped()
    assert_evidence(lab.show())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.slow
def test_other_fatal_signals_are_named(lab: Lab, number: int) -> None:
    """The evidence names the signal where the kernel tells it."""
    script = lab.script(PROGRAM.format(extra=""))
    process = lab.start("-q", "-p", "resources", script.name)
    first_line(process)
    kill(process, number)
    assert process.returncode == -number
    lab.wait_shipped()
    shown = lab.show()
    assert (shown["status"], shown["outcome"]) in {("interrupted", "killed"), ("interrupted", "unknown")}
    if shown["outcome"] == "killed":
        assert signal.Signals(number).name in shown["evidence"][0]["text"]


@pytest.mark.parametrize(("code", "outcome"), [(0, "success"), (3, "failed")])
def test_leaving_by_os_exit_is_no_kill(lab: Lab, code: int, outcome: str) -> None:
    """os._exit says no goodbye; the exit status, where the kernel tells it, is the evidence."""
    script = lab.script(f"import os; print('x', flush=True); os._exit({code})")
    process = lab.start("-q", "-p", "resources", script.name)
    assert process.wait(60) == code
    lab.wait_shipped()
    shown = lab.show()
    assert shown["status"] == "interrupted"
    assert shown["outcome"] in (outcome, "unknown")
    assert "without goodbye" in shown["evidence"][0]["text"]


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/usr/bin/unshare").exists(), reason="needs root and unshare"
)
@pytest.mark.slow
def test_pid_1_of_a_container_outlives_its_killed_program(lab: Lab) -> None:
    """As PID 1 of a pid namespace, `run` stays as an init: it ships what its program left."""
    text = "import os\nif os.getpid() == 1: raise SystemExit('the program is PID 1')\n" + PROGRAM.format(
        extra=""
    )
    script = lab.script(text)
    inside = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    process = lab.start("-q", *ALL, script.name, prefix=inside)
    first_line(process)
    time.sleep(1.0)
    victim = _child_in_namespace(process.pid)
    os.kill(victim, signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL
    assert lab.spools() == []
    assert_evidence(lab.show())


def _child_in_namespace(unshare: int) -> int:
    """Return the program's process id: the child of the init that unshare started."""
    init = int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()[0])
    for each in Path(f"/proc/{init}/task/{init}/children").read_text().split():
        if b"launch.py" in Path(f"/proc/{each}/cmdline").read_bytes():
            return int(each)
    raise AssertionError("the init has no program")
