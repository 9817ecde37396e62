"""Files that a recording names as its sources are never opened: they may be secret, endless, or block."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, opened

PASSWORDS = Path("/etc/passwd")
SECONDS = 240.0
"""What any command may take: the limit is for a hang, not a measure."""

PROGRAM = """
import sys, time

SOURCE = '''
def hold_{number}():
    return [bytearray(5000) for _ in range(400)]

def burn_{number}():
    end = time.process_time() + 0.25
    while time.process_time() < end:
        sum(range(200))
    time.sleep(0.1)
'''

kept = []
for number, name in enumerate(sys.argv[1:]):
    names = {{"time": time}}
    exec(compile(SOURCE.replace("{{number}}", str(number)), name, "exec"), names)
    for _ in range(3):
        kept.append(names[f"hold_{{number}}"]())
    names[f"burn_{{number}}"]()
""".replace("{{", "{").replace("}}", "}")

WAYS = {
    "all profilers": ("-p", "memray", "-p", "cpu", "-p", "resources"),
    "pyinstrument": ("-p", "cpu", "-o", "cpu.engine=pyinstrument"),
    "tracemalloc": ("-p", "tracemalloc"),
}


@pytest.fixture(scope="module", params=sorted(WAYS))
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give a lab with a recording of code from these files."""
    if request.param == "tracemalloc":
        pytest.importorskip("profilerkit_tracemalloc")
    with opened(tmp_path_factory.mktemp("hostile")) as lab:
        os.mkfifo(lab.folder / "fifo")
        script = lab.script(PROGRAM)
        files = (str(PASSWORDS), str(lab.folder / "fifo"), "/dev/zero")
        assert lab.start("-q", *WAYS[request.param], script.name, *files).wait(SECONDS) == 0
        lab.wait_shipped()
        yield lab


def run(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command, which must end in time."""
    return subprocess.run(
        [sys.executable, "-m", "profilerkit", *arguments],
        env=lab.environment,
        cwd=lab.folder,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


def unpacked(data: bytes) -> bytes:
    """Return a report as it is meant to be read."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def leaks(data: bytes) -> list[bytes]:
    """Return the lines of the secret file that are in a text, as they are or as JSON or HTML has them."""
    secrets = [line for line in PASSWORDS.read_bytes().splitlines() if len(line) > 8]
    assert secrets
    plain = data.replace(b"\\/", b"/").replace(b"&#x2F;", b"/")
    return [line for line in secrets if line in plain or line[: line.rfind(b":")] in plain]


@pytest.mark.slow
def test_no_report_opens_what_a_recording_names(hostile: Lab) -> None:
    """Every report that is offered is made in time; it names the functions, and has no line of the file."""
    listed = run(hostile, "report", "latest")
    assert listed.returncode == 0, listed.stderr
    names = [line.split()[0].decode() for line in listed.stdout.splitlines()[1:]]
    assert names
    target = hostile.folder / "report"
    naming = set()
    for name in names:
        done = run(hostile, "report", "latest", name, "-o", str(target))
        assert done.returncode == 0, (name, done.stderr)
        data = unpacked(target.read_bytes())
        target.unlink()
        assert leaks(data) == [], name
        assert len(data) < 100 << 20, name
        if b"/dev/zero" in data or b"\\/dev\\/zero" in data:
            naming.add(name)
    # What is not in a report cannot leak from it: these do hold the hostile frames.
    frames = {f"{each.partition('.')[0]}.speedscope" for each in names} - {"resources.speedscope"}
    assert frames <= naming


@pytest.mark.slow
def test_no_command_opens_what_a_recording_names(hostile: Lab) -> None:
    """Neither does showing it, listing it, or sending it to somebody."""
    for arguments in (
        ("show", "latest"),
        ("show", "latest", "--json"),
        ("show", "latest", "-v"),
        ("list", "--json"),
        ("export", "latest", "-o", "out.zip"),
    ):
        done = run(hostile, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert leaks(done.stdout + done.stderr) == []
    assert leaks((hostile.folder / "out.zip").read_bytes()) == []
