"""`diff` says what grew and what shrank between two real recordings, and what differs in how they ran."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.lab import Lab, first_line, kill, opened

JOB = """
import sys, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "lib"))
from helper import burn{comment}

def load(count):
    return [bytearray(1_000_000) for _ in range(count)]

def keep():
    return [bytearray(1_000_000) for _ in range(10)]

kept = load({megabytes}), keep()
burn({seconds})
print("begun", flush=True)
"""
HELPER = """{comment}
import time

def burn(seconds):
    end, x = time.process_time() + seconds, 0
    while time.process_time() < end:
        x = (x * 31 + 7) % 1000003
"""


def deploy(lab: Lab, name: str, *, megabytes: int, seconds: float, comment: str = "") -> Path:
    """Write a version of the job into a folder of its own, and return its main file."""
    folder = lab.folder / name
    for part in ("app", "lib"):
        (folder / part).mkdir(parents=True)
    (folder / "lib" / "helper.py").write_text(HELPER.format(comment=comment))
    job = folder / "app" / "job.py"
    job.write_text(JOB.format(megabytes=megabytes, seconds=seconds, comment=comment))
    return job


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give a lab with two versions of a job, deployed in two folders and started in two ways.

    From the older one `load` holds 50 MB more in the later, and `burn` takes a second less.
    """
    with opened(tmp_path_factory.mktemp("changed")) as lab:
        old = deploy(lab, "v1", megabytes=20, seconds=1.5)
        new = deploy(lab, "v2", megabytes=70, seconds=0.5, comment="\n# a line more\n\n")
        assert lab.start("-q", "--label", "git=9f31c02", str(old.relative_to(lab.folder))).wait(60) == 0
        aside = ("env", "-C", str(new.parent))
        options = ("-o", "resources.interval_seconds=0.5", "--label", "git=c4e77ab")
        assert lab.start("-q", *options, "job.py", "--fast", prefix=aside).wait(60) == 0
        lab.wait_shipped()
        yield lab


def compared(lab: Lab, *arguments: str) -> dict[str, Any]:
    """Return `diff --json`."""
    done = lab.command("diff", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row_of(rows: list[dict[str, Any]], *functions: str) -> dict[str, float]:
    """Return the sums of the rows of some functions."""
    fitting = [row for row in rows if row["function"] in functions]
    assert fitting, rows
    return {key: sum(row[key] for row in fitting) for key in ("a", "b", "change")}


def test_what_grew_and_what_shrank(changed: Lab) -> None:
    """The function that holds more is first of the memory, the one that burns less first of the CPU."""
    found = compared(changed, "latest~1", "latest")
    memory = found["profilers"]["memray"]["metrics"]["heap_at_peak"]
    first = memory["own"][0]
    assert (first["file"], first["unit"]) == ("job.py", "bytes")
    load = row_of(memory["own"], "load", "<listcomp>")
    assert load["change"] == pytest.approx(50_000_000, abs=500_000)
    assert load["b"] - load["a"] == load["change"]
    time = found["profilers"]["cpu"]["metrics"]["cpu"]
    assert (time["own"][0]["function"], time["own"][0]["unit"]) == ("burn", "seconds")
    assert time["own"][0]["change"] < 0 < time["own"][0]["b"] < time["own"][0]["a"]
    assert found["profilers"]["cpu"]["metrics"].keys() == {"cpu", "wall"}


def test_two_deployments_are_one_code(changed: Lab) -> None:
    """Folders, working folders and lines differ; no function is new or gone for that."""
    found = compared(changed, "latest~1", "latest")
    for profiler, metric, functions, file in (
        ("memray", "heap_at_peak", ("load", "<listcomp>", "<module>"), "job.py"),
        ("cpu", "cpu", ("burn",), "lib/helper.py"),
    ):
        rows = found["profilers"][profiler]["metrics"][metric]["own"]
        rows = [row for row in rows if row["function"] in functions and row["file"].endswith(file)]
        assert rows
        assert [row for row in rows if row["a"] == 0 or row["b"] == 0] == []
    files = {row["file"] for row in found["profilers"]["cpu"]["metrics"]["cpu"]["own"]}
    assert len([file for file in files if file.endswith("helper.py")]) == 1


def test_rows_add_up(changed: Lab) -> None:
    """Changes are B less A, sorted by size, and together the change of the whole."""
    for each in compared(changed, "latest~1", "latest")["profilers"].values():
        for metric in each["metrics"].values():
            rows = metric["functions"]
            assert all(row["change"] == row["b"] - row["a"] != 0 for row in rows)
            assert [abs(row["change"]) for row in rows] == sorted(
                (abs(row["change"]) for row in rows), reverse=True
            )
            # What was seen of the start, before the program, is of no function.
            beside = {"bytes": 500_000, "count": 100, "seconds": 0.2}[metric["unit"]]
            assert sum(row["change"] for row in rows) == pytest.approx(metric["change"], abs=beside)


def test_turned_round(changed: Lab) -> None:
    """What grew from A to B shrank from B to A, and it says which is later."""
    there, back = compared(changed, "latest~1", "latest"), compared(changed, "latest", "latest~1")
    rows = [each["profilers"]["memray"]["metrics"]["heap_at_peak"]["functions"] for each in (there, back)]
    assert rows[1] == [{**row, "a": row["b"], "b": row["a"], "change": -row["change"]} for row in rows[0]]
    assert (there["notes"], len(back["notes"])) == ([], 1)
    assert "A is the later" in back["notes"][0]


def test_a_recording_does_not_differ_from_itself(changed: Lab) -> None:
    """There is no row and no difference of the environment."""
    found = compared(changed, "latest", "latest")
    assert found["notes"] == ["A and B are the same recording"]
    assert found["environment"] == []
    assert {each["change"] for each in found["figures"].values()} == {0}
    for each in found["profilers"].values():
        assert [metric["functions"] for metric in each["metrics"].values() if metric["functions"]] == []
    assert "same environment" in changed.command("diff", "latest", "latest").stdout


def test_what_ran_differently(changed: Lab) -> None:
    """Arguments, labels and options of profilers that differ are listed with both values."""
    found = compared(changed, "latest~1", "latest")
    listed = {(each["kind"], each["name"]): (each["a"], each["b"]) for each in found["environment"]}
    assert listed == {
        ("environment", "argv"): (["v1/app/job.py"], ["job.py", "--fast"]),
        ("label", "git"): ("9f31c02", "c4e77ab"),
        ("option", "resources.interval_seconds"): (None, 0.5),
    }


def test_figures_side_by_side(changed: Lab) -> None:
    """Each number of both summaries, with the change."""
    figures = compared(changed, "latest~1", "latest")["figures"]
    heap = figures["peak_heap_bytes"]
    assert heap["change"] == heap["b"] - heap["a"] == pytest.approx(50_000_000, abs=2_000_000)
    assert {"duration_seconds", "peak_rss_bytes", "cpu_seconds"} <= figures.keys()


def test_in_a_terminal(changed: Lab) -> None:
    """The story names both, says what ran differently, the figures, and the functions."""
    told = changed.command("diff", "latest~1", "latest").stdout
    parts = ["job.py  complete", "CPU time shrank by", "Heap at its peak grew by", "What ran differently"]
    parts += ["label git", "Figures", "peak heap", "cpu: CPU time", "memray: heap at its peak"]
    places = [told.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert "\x1b" not in told
    assert "allocations at peak" not in told
    assert "resources:" not in told
    (heap,) = [line for line in told.splitlines() if "all of it" in line][-1:]
    assert "+47." in heap


def test_one_profiler_and_fewer_rows(changed: Lab) -> None:
    """`--profiler` compares one, with all its metrics; `--limit` cuts every table."""
    found = compared(changed, "latest~1", "latest", "--profiler", "memray", "--limit", "1")
    assert found["profilers"].keys() == {"memray"}
    metrics = found["profilers"]["memray"]["metrics"]
    assert {name: len(each["functions"]) for name, each in metrics.items()} == {
        "heap_at_peak": 1,
        "allocations_at_peak": 1,
    }
    whole = compared(changed, "latest~1", "latest")
    assert found["figures"].keys() == whole["figures"].keys()
    assert found["figures"]["peak_rss_bytes"] == whole["figures"]["peak_rss_bytes"]
    told = changed.command("diff", "latest~1", "latest", "-p", "memray", "--limit", "1").stdout
    assert "allocations at peak" in told
    assert "cpu:" not in told


def test_errors(changed: Lab) -> None:
    """What cannot be compared is one line with what can, and the right exit code."""
    for arguments, code, words in (
        (("latest~1", "latest", "-p", "mem"), 2, "Recorded were: resources, cpu, memray"),
        (("latest~1", "latest", "-p", "resources"), 2, "neither stacks nor functions"),
        (("latest~1", "latest", "--limit", "0"), 2, "--limit"),
        (("latest~2", "latest"), 1, "recordings in all: 2"),
        (("latest", "ffffffff"), 1, "no recording 'ffffffff'"),
        (("latest", "0"), 2, "more of the id"),
        (("latest",), 2, "'B'"),
    ):
        done = changed.command("diff", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert words in done.stderr


def test_other_profilers_running_and_killed(changed: Lab, lab: Lab) -> None:
    """What only one has, what failed, still runs or was interrupted is said, and the rest compared."""
    job = deploy(lab, "v1", megabytes=5, seconds=0.3)
    assert lab.start("-q", "-p", "cpu", "-p", "memray", str(job)).wait(60) == 0
    job.write_text(job.read_text() + "\ntime.sleep(60)\n")
    running = lab.start("-q", "-p", "cpu", "-p", "resources", str(job))
    assert first_line(running) == "begun\n"
    lab.wait_until(lambda: not compared(lab, "latest~1", "latest")["profilers"]["cpu"]["problem"])
    found = compared(lab, "latest~1", "latest")
    assert found["notes"] == ["B still runs: its numbers are those so far"]
    assert found["profilers"]["memray"]["problem"] == "B has no capture of memray."
    assert found["profilers"]["resources"]["problem"] == "A has no capture of resources."
    told = lab.command("diff", "latest~1", "latest").stdout
    assert "B still runs: its numbers are those so far." in told
    assert "memray: B has no capture of memray." in told
    done = lab.command("diff", "latest~1", "latest", "-p", "memray")
    assert (done.returncode, done.stdout) == (1, "")
    assert "B has no capture of memray. Recorded were: cpu, memray in A, cpu, resources in B." in done.stderr
    kill(running)
    lab.wait_shipped()
    found = compared(lab, "latest~1", "latest")
    assert found["notes"] == ["B was interrupted: its numbers are those until then"]
    assert found["profilers"]["cpu"]["metrics"]["cpu"]["b"] > 0


def test_a_capture_that_cannot_be_read(lab: Lab) -> None:
    """It is said of which side and why; asked for by name, it is an error."""
    job = deploy(lab, "v1", megabytes=5, seconds=0.3)
    for _ in range(2):
        assert lab.start("-q", "-p", "cpu", "-p", "memray", str(job)).wait(60) == 0
    lab.wait_shipped()
    latest = lab.show()["id"]
    (folder,) = lab.store.glob(f"recordings/**/{latest}")
    for kept in folder.glob("memray/readings/*"):
        kept.unlink()
    (raw,) = folder.glob("memray/raw/*")
    raw.write_bytes(b"no capture")
    found = compared(lab, "latest~1", "latest")["profilers"]
    assert found["memray"]["metrics"] == {}
    assert found["memray"]["problem"].startswith("B: the capture of memray cannot be read: ")
    assert found["cpu"]["problem"] is None
    told = lab.command("diff", "latest~1", "latest")
    assert (told.returncode, told.stderr) == (0, "")
    assert "memray: B: the capture of memray cannot be read: " in told.stdout
    done = lab.command("diff", "latest~1", "latest", "-p", "memray")
    assert (done.returncode, done.stdout) == (1, "")


HOSTILE = "evil\x1b[31m\n</script>[red]x"
HOSTILE_CODE = f"""
import sys
source = "def f(count):\\n    return [bytearray(10_000_000) for _ in range(count)]\\n"
namespace = {{}}
exec(compile(source, "/tmp/a\\x1b[2J\\u202egnp.py", "exec"), namespace)
f = namespace["f"]
f.__code__ = f.__code__.replace(co_name={HOSTILE!r})
kept = f(int(sys.argv[1]))
"""


def test_hostile_names(lab: Lab) -> None:
    """Names that are made to do harm are exact in JSON, and printable on a terminal."""
    script = lab.script(HOSTILE_CODE)
    for count in ("2", "5"):
        label = f"k=\x1b[31m{count}"
        assert lab.start("-q", "-p", "memray", "--label", label, script.name, count).wait(60) == 0
    lab.wait_shipped()
    rows = compared(lab, "latest~1", "latest")["profilers"]["memray"]["metrics"]["heap_at_peak"]["functions"]
    names = {row["function"] for row in rows}
    # Before 3.12 a comprehension is a function of its own.
    assert HOSTILE in names or sys.version_info < (3, 12)
    told = lab.command("diff", "latest~1", "latest", "--limit", "100").stdout
    assert [character for character in told if not character.isprintable() and character != "\n"] == []
    assert "\\x1b[2J" in told


LONG = """
import sys

def {name}(count):
    return bytearray(count * 1_000_000)

def \u8aad\u307f\u8fbc\u3080(count):
    return bytearray(count * 2_000_000)

kept = {name}(int(sys.argv[1])), \u8aad\u307f\u8fbc\u3080(int(sys.argv[1]))
"""


def told_on_a_terminal(lab: Lab, width: int) -> list[str]:
    """Return the lines of `diff` on a terminal of this width, without colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 50, width, 0, 0))
    command = [sys.executable, "-m", "profilerkit", "diff", "latest~1", "latest", "-q"]
    environment = {**lab.environment, "NO_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen(command, env=environment, stdout=its, cwd=lab.folder):
        os.close(its)
        found = b""
        with contextlib.suppress(OSError):  # EIO: nobody writes to it any more
            while part := os.read(ours, 65536):
                found += part
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", found.decode()).splitlines()


def test_a_narrow_terminal_cuts_names_and_no_numbers(lab: Lab) -> None:
    """Every line fits, numbers are whole, and of a file that does not fit the end is there."""
    folder = lab.folder / "a-folder-with-a-long-name" / "and-another-one-in-it"
    folder.mkdir(parents=True)
    script = folder / "job.py"
    script.write_text(LONG.format(name="f" * 70))
    (lab.folder / "job.py").write_text(f"import runpy; runpy.run_path({str(script)!r})")
    for count in ("10", "20"):
        assert lab.start("-q", "-p", "memray", "job.py", count).wait(60) == 0
    lab.wait_shipped()
    for width in (60, 80, 120):
        lines = told_on_a_terminal(lab, width)
        assert [line for line in lines if cell_len(line) > width] == []
        rows = [line for line in lines if "+9.5 MiB" in line and "9.5 MiB" in line]
        assert [line for line in rows if "19.1 MiB" in line and line.rstrip().endswith("job.py")], rows
        assert any("\u8aad\u307f" in line and "+19.1 MiB" in line for line in lines)
