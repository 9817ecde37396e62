"""What is left after each fault of the table in the architecture: the program unchanged, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, first_line

FAULTY = str(Path(__file__).parent.parent / "faulty_store")
ALL = ("-p", "memray", "-p", "cpu", "-p", "resources")
PROGRAM = """
import sys
kept = bytearray(3_000_000)
total = sum(number * number for number in range(1_000_000))
print('ready', flush=True)
sys.stdin.readline()
print('end')
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
pytestmark = pytest.mark.slow


@pytest.fixture
def faulty(lab: Lab) -> Lab:
    """Give a lab whose store fails as told."""
    lab.environment.update(PYTHONPATH=FAULTY, PROFILERKIT_STORE=f"faulty://{lab.store}")
    return lab


def set_fault(lab: Lab, **fault: object) -> None:
    """Have the store fail from now on."""
    Path(f"{lab.store}.fault").write_text(json.dumps(fault))


def end_fault(lab: Lab) -> None:
    """Have the store work again."""
    Path(f"{lab.store}.fault").unlink(missing_ok=True)


def record(lab: Lab, *profilers: str) -> None:
    """Record a program to its end, which must be as without us."""
    process = lab.start("-q", *(profilers or ALL), lab.script(PROGRAM).name, stdin=-1, stderr=-1)
    out, err = process.communicate("\n", timeout=60)
    assert (out, err, process.returncode) == ("ready\nend\n", "", 0)


def strand(lab: Lab) -> Path:
    """Record a program while the store is down, kill the watcher, and return the spool that is left."""
    set_fault(lab, fails="down")
    record(lab)
    lab.wait_until(lambda: any((each / "ship.json").exists() for each in lab.spools()))
    (pid,) = lab.watchers()
    os.kill(pid, signal.SIGKILL)
    lab.wait_until(lambda: not Path(f"/proc/{pid}").exists())
    end_fault(lab)
    (spool,) = lab.spools()
    return spool


def assert_whole(lab: Lab, *, status: str = "complete") -> None:
    """Check that there is one recording, that each of its captures can be read, and no spool."""
    (found,) = lab.list()
    assert found["status"] == status
    assert lab.spools() == []
    reports = lab.command("report", "latest").stdout
    for name in ("memray.hot", "cpu.hot", "resources.timeline"):
        assert name in reports
        done = lab.command("report", "latest", name)
        words = [line for line in done.stderr.splitlines() if "is passed over. It is damaged" not in line]
        assert (done.returncode, words) == (0, [])
    # What maintenance, which nobody waits for, is writing at the moment goes by itself.
    lab.wait_until(lambda: not list(Path(lab.store).rglob(".tmp-*")))


@pytest.mark.parametrize("fault", ["dies_at", "tears_at"])
def test_ship_killed_at_each_of_its_steps(faulty: Lab, fault: str, tmp_path: Path) -> None:
    """Whenever ship is killed, the next one finishes what it had begun, and nothing is there twice."""
    kept = tmp_path / "kept"
    shutil.copytree(strand(faulty), kept)
    deaths = 0
    for step in range(1, 60):
        shutil.rmtree(faulty.store, ignore_errors=True)
        for each in faulty.spools():
            shutil.rmtree(each)
        shutil.copytree(kept, faulty.spool / json.loads((kept / "session.json").read_text())["id"])
        set_fault(faulty, **{fault: step})
        died = faulty.command("recover").returncode == -signal.SIGKILL
        end_fault(faulty)
        if not died and deaths:
            break
        deaths += died
        assert faulty.command("recover").returncode == 0
        assert_whole(faulty)
    assert deaths >= 6  # three captures, their readings, recording.json, the event


def test_two_ships_at_once(faulty: Lab) -> None:
    """Each recording is shipped by one of them."""
    spool = strand(faulty)
    names = [f"{spool.name[:-2]}{number:02x}" for number in range(12)]
    session = json.loads((spool / "session.json").read_text())
    for name in names:
        shutil.copytree(spool, faulty.spool / name, dirs_exist_ok=True)
        (faulty.spool / name / "session.json").write_text(json.dumps({**session, "id": name}))
    set_fault(faulty, slow=0.01)
    ships = [faulty.start_python("-m", "profilerkit", "recover", "--json") for _ in range(2)]
    shipped = [
        each["id"] for ship in ships for each in json.loads(ship.communicate(timeout=120)[0])["shipped"]
    ]
    assert sorted(shipped) == sorted({*names, spool.name})
    assert sorted(each["id"] for each in faulty.list()) == sorted({*names, spool.name})
    assert faulty.spools() == []


def test_a_store_that_flaps(faulty: Lab) -> None:
    """One of three operations fails: the recording arrives all the same."""
    set_fault(faulty, fails="often")
    record(faulty)
    faulty.wait_shipped(120)
    end_fault(faulty)
    assert_whole(faulty)


def test_a_store_that_is_slow(faulty: Lab) -> None:
    """The program waits for nothing, and the recording arrives later."""
    set_fault(faulty, slow=0.5)
    record(faulty)
    assert len(faulty.spools()) == 1
    faulty.wait_shipped(120)
    end_fault(faulty)
    assert_whole(faulty)


def test_a_process_id_that_is_anothers_now(faulty: Lab) -> None:
    """A spool whose process is gone is an orphan, whoever has its process id."""
    spool = strand(faulty)
    session = json.loads((spool / "session.json").read_text())
    session["process"]["pid"] = os.getpid()
    session["phase"] = "running"
    (spool / "session.json").write_text(json.dumps(session))
    assert faulty.command("recover").returncode == 0
    assert_whole(faulty, status="interrupted")


@pytest.fixture
def disk(lab: Lab) -> Iterator[Path]:
    """Mount a disk of 32 MiB with 200 files for the spool."""
    folder = lab.folder / "disk"
    folder.mkdir()
    options = "size=32m,nr_inodes=200"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    lab.spool = folder / "spool"
    lab.environment.update(PROFILERKIT_SPOOL=str(lab.spool), PROFILERKIT_MIN_FREE_DISK="0")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@needs_root
@pytest.mark.parametrize("fault", ["full", "no inodes"])
def test_a_spool_disk_that_fails_midway(lab: Lab, disk: Path, fault: str) -> None:
    """The program ends as it would; what was recorded before is there, and how it ended where it can be."""
    process = lab.start("-q", "-p", "cpu", "-p", "resources", lab.script(PROGRAM).name, stdin=-1, stderr=-1)
    assert first_line(process) == "ready\n"
    lab.wait_until(lambda: len({each.parent for each in lab.spool.glob("*/captures/*/*.*")}) == 2)
    if fault == "full":
        with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(bytes(4096))
    else:
        with pytest.raises(OSError):
            for number in range(1000):
                (disk / f"filler-{number}").touch()
    out, err = process.communicate("\n", timeout=60)
    assert (out, err, process.returncode) == ("end\n", "", 0)
    for each in disk.glob("filler*"):
        each.unlink()
    lab.wait_until(lambda: lab.command("recover").returncode == 0 and not lab.spools(), 120)
    (found,) = lab.list()
    assert found["status"] in ("complete", "partial", "interrupted")
    assert lab.spools() == []
    assert [each["profiler"] for each in lab.show()["captures"] if each["files"]] == ["cpu", "resources"]


SHIFTED_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The time of day is off by the seconds in the file $CLOCK_SHIFT; the steady clocks are not. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (clock == CLOCK_REALTIME && getenv("CLOCK_SHIFT")) {
        FILE *file = fopen(getenv("CLOCK_SHIFT"), "r");
        long shift = 0;
        if (file) {
            if (fscanf(file, "%ld", &shift) != 1) shift = 0;
            fclose(file);
        }
        now->tv_sec += shift;
    }
    return failed;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("step_seconds", [3600, -3600])
def test_a_clock_that_is_set_midway(lab: Lab, step_seconds: int) -> None:
    """The duration is that of a steady clock, and the recording is listed as complete."""
    source, library, shift = (lab.folder / name for name in ("clock.c", "clock.so", "shift"))
    source.write_text(SHIFTED_CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    lab.environment.update(LD_PRELOAD=str(library), CLOCK_SHIFT=str(shift))
    process = lab.start("-q", "-p", "cpu", "-p", "resources", lab.script(PROGRAM).name, stdin=-1, stderr=-1)
    assert first_line(process) == "ready\n"
    lab.wait_until(lambda: bool(list(lab.store.glob("journal/*/*-running.json"))))
    shift.write_text(str(step_seconds))
    out, err = process.communicate("\n", timeout=60)
    assert (out, err, process.returncode) == ("end\n", "", 0)
    lab.wait_shipped()
    del lab.environment["LD_PRELOAD"]
    assert len({each.parent for each in lab.store.glob("journal/*T*/*.json")}) == 2  # it was believed
    (found,) = lab.list()
    assert found["status"] == "complete"
    assert 0 < found["duration_seconds"] < 300
