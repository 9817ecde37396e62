"""Where nothing can be recorded the program runs all the same, and one line says why."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab

PROGRAM = "import sys\nprint('end')\nsys.exit(3)\n"
BLOCK = "import profilerkit\nwith profilerkit.profile('resources'):\n    print('end')\nraise SystemExit(3)\n"

needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 KiB and 12 files."""
    yield from _mounted(tmp_path / "small", "size=64k,nr_inodes=12")


@pytest.fixture
def disk_of_a_mebibyte(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MiB."""
    yield from _mounted(tmp_path / "mebibyte", "size=1m")


def _mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def assert_unrecorded(lab: Lab, reason: str) -> None:
    """Check that the program and the block run as without us, and what is said."""
    for process in (
        lab.start("-p", "resources", lab.script(PROGRAM).name, stderr=-1),
        lab.start_python(lab.script(BLOCK, "block.py").name, stderr=-1),
    ):
        out, words = process.communicate(timeout=60)
        assert (out, process.returncode) == ("end\n", 3), words
        assert "not recorded" in words
        assert reason in words
        assert "Traceback" not in words


def test_a_spool_that_is_a_file(lab: Lab) -> None:
    """The spool's folder cannot be made."""
    lab.spool.write_text("in the way")
    assert_unrecorded(lab, str(lab.spool))


@needs_mounts
def test_a_full_disk_before_the_start(lab: Lab, small_disk: Path) -> None:
    """There is no room for a spool."""
    with (small_disk / "filler").open("wb") as filler:
        filler.write(b"x" * 65536)
    lab.environment["PROFILERKIT_SPOOL"] = str(small_disk / "spool")
    assert_unrecorded(lab, "PROFILERKIT_SPOOL")


@needs_mounts
def test_a_read_only_spool(lab: Lab, small_disk: Path) -> None:
    """The disk of the spool may not be written."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    lab.environment["PROFILERKIT_SPOOL"] = str(small_disk / "spool")
    assert_unrecorded(lab, "PROFILERKIT_SPOOL")


@needs_mounts
@pytest.mark.slow
def test_a_disk_that_fills_up(lab: Lab, small_disk: Path) -> None:
    """When the disk is full in the middle the program goes on, and what was recorded can be shipped."""
    lab.spool = small_disk / "spool"
    lab.environment.update(PROFILERKIT_SPOOL=str(lab.spool), PROFILERKIT_MIN_FREE_DISK="0")
    text = (
        "import time\nkept = []\n"
        "for _ in range(300):\n"
        "    kept.append([bytearray(1000) for _ in range(100)])\n    time.sleep(0.005)\n"
        "print('end')\n"
    )
    process = lab.start("-q", "-p", "memray", "-p", "resources", "-p", "cpu", lab.script(text).name)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("end\n", 0)
    (small_disk / "spool").mkdir(exist_ok=True)
    lab.wait_until(lambda: not lab.watchers() or not lab.spools())
    assert len(lab.list()) == 1


@needs_mounts
def test_last_words_on_a_full_disk(lab: Lab, disk_of_a_mebibyte: Path) -> None:
    """Room is kept for how the program ended, and for what a profiler says of its capture.

    The program takes whatever gets free.
    """
    lab.spool = disk_of_a_mebibyte / "spool"
    lab.environment.update(PROFILERKIT_SPOOL=str(lab.spool), PROFILERKIT_MIN_FREE_DISK="0")
    script = lab.script(f"""
import contextlib, time
kept = []
with open({str(disk_of_a_mebibyte / "all")!r}, "wb", buffering=0) as file:
    for _ in range(500):
        with contextlib.suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass
        kept.append([bytearray(1000) for _ in range(100)])
        time.sleep(0.005)
print("end")
""")
    process = lab.start("-q", "-p", "memray", "-p", "resources", "-p", "cpu", script.name)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("end\n", 0)
    lab.wait_shipped()
    shown = lab.show()
    captures = {each["profiler"]: each for each in shown["captures"]}
    assert (shown["outcome"], shown["status"]) == ("success", "partial")
    assert captures["memray"]["status"] == "partial"
    assert "memray stopped recording before the end" in captures["memray"]["error"]
