"""A recording goes from one store to another through one file, finished, running or not uploaded yet."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, first_line, kill

PROGRAM = """
import time
kept = [bytearray(1_000_000) for _ in range(20)]
end = time.process_time() + 0.3
while time.process_time() < end: pass
print("ready", flush=True)
{then}
"""


def shown(lab: Lab, store: Path, recording: str) -> dict[str, Any]:
    """Return `show --json` of a store."""
    done = lab.command("show", recording, "--json", "--store", str(store))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def exported(lab: Lab, recording: str = "latest") -> Path:
    """Export a recording and import it into another store, which is returned."""
    done = lab.command("export", recording, "-o", "out.zip")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "profilerkit: wrote out.zip. Import it elsewhere: profilerkit import out.zip\n"
    there = lab.folder / "there"
    done = lab.command("import", "out.zip", "--store", str(there))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Imported ")
    return there


def test_a_finished_recording_is_shown_elsewhere_as_here(filled: Lab) -> None:
    """With every reading and report, and twice is as good as once."""
    (etl,) = (each["id"] for each in filled.list() if each["names"]["name"] == "etl")
    there = exported(filled, etl)
    assert shown(filled, there, etl) == filled.show(etl)
    for report in ("memray.flamegraph", "cpu.tree", "resources.timeline"):
        done = filled.command("report", etl, report, "-o", "report", "--store", str(there))
        assert done.returncode == 0, done.stderr
        (filled.folder / "report").unlink()
    before = sorted(there.rglob("*"))
    done = filled.command("import", "out.zip", "--store", str(there))
    assert (done.returncode, done.stdout) == (0, f"The store has {etl} (etl, complete) already.\n")
    assert sorted(there.rglob("*")) == before
    done = filled.command("export", etl, "-q", "-o", ".")
    assert (done.returncode, done.stderr) == (0, "")
    name = f"{etl}.profilerkit.zip"
    assert (filled.folder / name).read_bytes() == (filled.folder / "out.zip").read_bytes()


def test_a_running_recording_is_interrupted_elsewhere(lab: Lab) -> None:
    """It says why, its stacks are there, and it runs on here."""
    process = lab.start("-q", "-c", PROGRAM.format(then="time.sleep(600)"))
    assert first_line(process) == "ready\n"
    lab.wait_until(lambda: "memray" in lab.show()["hot"])
    there = exported(lab)
    found = shown(lab, there, "latest")
    assert (found["status"], found["outcome"]) == ("interrupted", "unknown")
    assert "while it was still running" in found["evidence"][-1]["text"]
    assert {each["status"] for each in found["captures"]} == {"interrupted"}
    assert found["hot"]["memray"][0]["self"] > 10_000_000
    assert lab.show()["status"] == "running"
    kill(process)
    lab.wait_shipped()
    assert lab.show()["status"] == "interrupted"
    assert shown(lab, there, "latest") == found


def test_a_recording_that_waits_for_its_store_can_be_exported(lab: Lab) -> None:
    """When its watcher is dead; a ship that still ran may upload it meanwhile, which changes nothing."""
    process = lab.start("-q", "-c", PROGRAM.format(then="time.sleep(600)"))
    assert first_line(process) == "ready\n"
    lab.wait_until(lambda: bool(lab.watchers()))
    watcher = lab.watchers()[0]
    lab.wait_until(lambda: "memray" in lab.show()["hot"])
    os.kill(watcher, signal.SIGKILL)
    kill(process)
    there = exported(lab)
    found = shown(lab, there, "latest")
    assert found["status"] == "interrupted"
    assert found["hot"]["memray"][0]["self"] > 10_000_000
    assert lab.command("recover").returncode == 0


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\5\6" + bytes(18)])
def test_what_is_no_export_is_refused_in_one_line(lab: Lab, content: bytes) -> None:
    """With exit code 1, and without making a store."""
    (lab.folder / "bad.zip").write_bytes(content)
    done = lab.command("import", "bad.zip")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("profilerkit: bad.zip cannot be imported. ")
    assert done.stderr.count("\n") == 1
    assert not lab.store.exists()


def test_wrong_usage_is_told(lab: Lab) -> None:
    """No file to write to, no recording, a place that is no file."""
    assert lab.start("-q", "-p", "resources", "-c", "0").wait(60) == 0
    lab.wait_shipped()
    for arguments, code, word in [
        (("export", "latest"), 2, "Missing option '-o'"),
        (("export", "zzzz", "-o", "x.zip"), 1, "There is no recording 'zzzz'"),
        (("export", "latest", "-o", "none/x.zip"), 1, "cannot be written (No such file"),
        (("export", "latest", "-o", "/dev/null"), 2, "is no file"),
        (("import", "none.zip"), 1, "none.zip cannot be opened (No such file"),
    ]:
        done = lab.command(*arguments)
        assert done.returncode == code
        assert word in done.stderr
        assert done.stderr.count("\n") == 1
