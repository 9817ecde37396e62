"""A limit stops one profiler; the program and the other profilers go on, and the recording says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..lab import Lab

FAULTY = str(Path(__file__).parent.parent / "faulty")
WAIT_FOR_END = "import sys\nprint('ready', flush=True)\nsys.stdin.readline()\nprint('end')\n"


@pytest.mark.slow
def test_a_large_capture_stops_its_profiler(lab: Lab) -> None:
    """At max_capture_bytes a profiler is stopped where that can be done from any thread."""
    lab.environment.update(PYTHONPATH=FAULTY, PROFILERKIT_MAX_CAPTURE_BYTES="256KiB")
    process = lab.start(
        "-q",
        "-p",
        "streams",
        "-p",
        "writes",
        "-o",
        "streams.kib_per_tick=4",
        lab.script(WAIT_FOR_END).name,
        stdin=-1,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    lab.wait_until(lambda: "reached max_capture_bytes" in _session(lab))
    out, _ = process.communicate("\n", timeout=60)
    assert (out, process.returncode) == ("end\n", 0)
    lab.wait_shipped()
    shown = lab.show()
    captures = {each["profiler"]: each for each in shown["captures"]}
    assert shown["status"] == "partial"
    assert "max_capture_bytes" in captures["streams"]["error"]
    assert captures["writes"]["status"] == "complete"


@pytest.mark.slow
def test_a_nearly_full_disk_stops_all_profilers(lab: Lab) -> None:
    """Under min_free_disk nothing more is written; the program does not notice."""
    lab.environment.update(PYTHONPATH=FAULTY, PROFILERKIT_MIN_FREE_DISK="1000TiB")
    process = lab.start("-q", "-p", "streams", "-p", "memray", lab.script(WAIT_FOR_END).name, stdin=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    lab.wait_until(
        lambda: _session(lab).count("min_free_disk is") + _session(lab).count("under min_free_disk") >= 2
    )
    out, _ = process.communicate("\n", timeout=60)
    assert (out, process.returncode) == ("end\n", 0)
    lab.wait_shipped()
    assert {each["status"] for each in lab.show()["captures"]} == {"partial"}


@pytest.mark.slow
def test_a_spool_that_grew_over_its_cap_stops_all_profilers(lab: Lab) -> None:
    """What cannot be uploaded fills the disk up to max_spool_bytes; then programs run without recording."""
    lab.environment.update(PYTHONPATH=FAULTY, PROFILERKIT_MAX_SPOOL_BYTES="1MiB")
    stuck = lab.spool / "0198c0de-0000-7000-8000-000000000000" / "captures" / "streams"
    stuck.mkdir(parents=True)
    lab.spool.chmod(0o700)
    (stuck / "stream.bin").write_bytes(bytes(2 << 20))
    process = lab.start("-q", "-p", "streams", "-p", "memray", lab.script(WAIT_FOR_END).name, stdin=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    lab.wait_until(lambda: _session(lab).count("over max_spool_bytes") >= 2)
    out, _ = process.communicate("\n", timeout=60)
    assert (out, process.returncode) == ("end\n", 0)
    lab.wait_until(lambda: lab.list()[0]["status"] == "partial")


def _session(lab: Lab) -> str:
    return "".join(path.read_text() for path in lab.spool.glob("*/session.json"))


@pytest.mark.slow
def test_fifty_recordings_at_once(lab: Lab) -> None:
    """All fifty are there, none twice; nothing of ours is left running."""
    running = [
        lab.start("-q", "-p", "resources", "--name", f"n{number}", "-c", "pass") for number in range(50)
    ]
    assert [each.wait(180) for each in running] == [0] * 50
    lab.wait_shipped(180)
    found = lab.list()
    assert sorted(each["names"]["name"] for each in found) == sorted(f"n{number}" for number in range(50))
    assert len({each["id"] for each in found}) == 50
    finals = list(lab.store.glob("journal/*/*-final.json"))
    assert len(finals) == 50
    lab.wait_until(lambda: not _processes_of(lab))


def _processes_of(lab: Lab) -> list[str]:
    """Return the watchers and ships that were started from this lab."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if (b"watcher.py" in command or b"ship.py" in command) and str(lab.spool).encode() in environment:
            found.append(process.name)
    return found
