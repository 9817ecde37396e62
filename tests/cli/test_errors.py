"""What is wrong is said in one line with what to do, and with the right exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import Lab

FAULTY = str(Path(__file__).parent.parent / "faulty")


def assert_one_line(lab: Lab, arguments: tuple[str, ...], code: int, *words: str) -> str:
    """Run a command that must fail, and check how it says so."""
    done = lab.command(*arguments)
    assert done.returncode == code, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("profilerkit: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]
    assert done.stdout == ""
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "-p", "mem", "-c", "1"), ("No profiler named 'mem'", "installed: ")),
        (("run", "-p", "memray", "-o", "memray.nativ=1", "-c", "1"), ("no option 'nativ'", "native")),
        (("run", "-p", "memray", "-o", "memray.native=maybe", "-c", "1"), ("true or false",)),
        (("run", "-p", "memray", "-o", "native", "-c", "1"), ("NAME.OPTION=VALUE",)),
        (("run", "-p", "resources", "-o", "memray.native=1", "-c", "1"), ("does not take part",)),
        (("run", "--label", "team", "-c", "1"), ("KEY=VALUE",)),
        (("run",), ("nothing to run",)),
        (("run", "no/such/script.py"), ("cannot be opened", "No such file")),
        (("run", "--store", "memory://x", "-c", "1"), ("memory://", "--store")),
        (("run", "--nonsense", "-c", "1"), ("--nonsense", "--help")),
        (("list", "--status", "dead"), ("dead", "interrupted")),
        (("list", "--limit", "0"), ("0",)),
        (("nonsense",), ("nonsense", "--help")),
        (("show",), ("RECORDING",)),
    ],
)
def test_usage_errors(lab: Lab, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """A wrong name, option or value is a usage error: exit code 2."""
    assert_one_line(lab, arguments, 2, *words)
    assert lab.spools() == []


@pytest.mark.parametrize("command", ["show", "report"])
def test_unknown_recordings(filled: Lab, command: str) -> None:
    """An id that is not there is said, with the command that lists those that are."""
    assert_one_line(filled, (command, "ffffffff"), 1, "no recording 'ffffffff'", "profilerkit list")


def test_an_ambiguous_prefix_names_some(filled: Lab) -> None:
    """A prefix that fits several is a usage error."""
    ids = [each["id"] for each in filled.list()]
    same = [len(set(characters)) == 1 for characters in zip(*ids, strict=True)]
    prefix = ids[0][: same.index(False)]
    assert_one_line(filled, ("show", prefix), 2, "fits 3 recordings", ids[0], "more of the id")


def test_an_unknown_report_names_those_there_are(filled: Lab) -> None:
    """A report that cannot be had is a usage error that lists the others."""
    etl = next(each["id"] for each in filled.list() if each["names"]["name"] == "etl")
    assert_one_line(
        filled, ("report", etl, "memray.nonsense"), 2, "memray.nonsense", "memray.flamegraph", "cpu.tree"
    )


def test_nothing_there_yet(lab: Lab) -> None:
    """An empty store is no error for a list, and one for `latest`."""
    done = lab.command("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "profilerkit run" in done.stdout
    assert lab.list() == []
    assert_one_line(lab, ("show", "latest"), 1, "no recording yet", "profilerkit run")


def test_an_unreadable_store(lab: Lab) -> None:
    """A store that cannot be read is said in one line."""
    lab.store.write_text("a file where the store's folder should be")
    for command in (("list",), ("show", "latest"), ("list", "--json")):
        assert_one_line(lab, command, 1, str(lab.store))


@pytest.mark.parametrize("url", ["s3://127.0.0.1.invalid-bucket/x", "nosuchscheme://x"])
def test_an_unreachable_store(lab: Lab, url: str) -> None:
    """A store that cannot be reached, or whose kind nobody knows, is said in one line."""
    lab.environment.update(
        AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y"
    )
    assert_one_line(lab, ("list", "--store", url), 1 if url.startswith("s3") else 2)


def test_a_setting_that_cannot_be(lab: Lab) -> None:
    """A wrong setting names where it stands."""
    (lab.folder / "pyproject.toml").write_text('[tool.profilerkit]\nmax_capture_bytes = "much"\n')
    assert_one_line(lab, ("list",), 2, "max_capture_bytes", "pyproject.toml", "MiB")
    (lab.folder / "pyproject.toml").write_text("[tool.profilerkit\n")
    assert_one_line(lab, ("list",), 2, "pyproject.toml")
    (lab.folder / "pyproject.toml").unlink()
    lab.environment["PROFILERKIT_CHECKPOINT_INTERVAL"] = "-1"
    assert_one_line(lab, ("list",), 2, "PROFILERKIT_CHECKPOINT_INTERVAL")


def test_a_broken_plugin_harms_no_other(lab: Lab) -> None:
    """Plugins that cannot be imported are listed with the reason; the others work."""
    lab.environment["PYTHONPATH"] = FAULTY
    done = lab.command("plugins")
    assert done.returncode == 0
    assert "libfaulty.so.3" in done.stdout
    assert "It needs the moon. Run: pip install moon" in done.stdout
    assert_one_line(lab, ("run", "-p", "broken-import", "-c", "1"), 1, "libfaulty.so.3", "Reinstall")
    assert_one_line(lab, ("run", "-p", "unavailable", "-c", "1"), 1, "moon", "pip install moon")
    assert lab.start("-q", "-p", "writes", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    reports = lab.command("report", "latest")
    assert "broken-renderer" in reports.stderr + reports.stdout or reports.returncode in (0, 1)
    assert lab.show()["captures"][0]["status"] == "complete"


def test_an_output_that_takes_nothing_is_told(filled: Lab) -> None:
    """The whole of it is lost, in one line with what to do."""
    etl = next(each["id"] for each in filled.list() if each["names"]["name"] == "etl")
    for command, unbuffered in ((["list"], ""), (["list", "--json"], "1"), (["report", etl, "cpu.tree"], "")):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "profilerkit", *command],
                env={**filled.environment, "PYTHONUNBUFFERED": unbuffered},
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr.startswith(
            "profilerkit: No space left on device, where the standard output goes or in "
        )
        assert done.stderr.endswith(". Make room there, or write to another place.\n")


def test_a_report_takes_the_place_of_an_older_one_at_once(filled: Lab) -> None:
    """What was there is not written over: it stays for whoever holds it, and where the disk is full."""
    target, kept = filled.folder / "report.txt", filled.folder / "kept.txt"
    target.write_text("before")
    kept.hardlink_to(target)
    etl = next(each["id"] for each in filled.list() if each["names"]["name"] == "etl")
    done = filled.command("report", etl, "cpu.tree", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_text() != "before" == kept.read_text()
