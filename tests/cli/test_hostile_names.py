"""Names that are made to do harm are stored, listed and read back exactly, and harm nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab import Lab

HOSTILE = [
    "../x",
    "/abs/olute",
    "%2e%2e%2f",
    "..",
    "new\nline",
    "x" * 300,
    "\N{PILE OF POO}\N{ZERO WIDTH JOINER}",
    "<script>alert(1)</script>",
    "[red]markup[/red]",
    "\x1b[31mred\x1b[0m",
    " ",
    "-rf",
    "a=b;c",
    "",
]
OURS = ("store", "spool", "catalogs", "program.py")
RECORD = """
import json, sys
import profilerkit
for name in json.load(sys.stdin):
    with profilerkit.profile("resources", name=name, labels={{name or "empty": name}}):
        pass
"""


@pytest.mark.parametrize("way", ["command", "api"])
def test_hostile_names_and_labels(lab: Lab, way: str) -> None:
    """Names and labels come back exactly, and nothing lies outside the store's root."""
    names = HOSTILE if way == "command" else [*HOSTILE, "nul\0byte", "surrogate\udc80"]
    if way == "command":
        for name in names:
            label = f"k={name}"
            assert (
                lab.start("-q", "-p", "resources", f"--name={name}", "--label", label, "-c", "0").wait(60)
                == 0
            )
    else:
        script = lab.script(RECORD.replace("{{", "{").replace("}}", "}"))
        process = lab.start_python(script.name, stdin=-1)
        process.communicate(json.dumps(names), timeout=120)
        assert process.returncode == 0
    lab.wait_shipped(120)
    found = lab.list()
    assert sorted(names) == sorted(each["names"]["name"] for each in found)
    assert sorted(names) == sorted(next(iter(each["labels"].values())) for each in found)
    outside = [path for path in lab.folder.iterdir() if path.name not in OURS]
    assert outside == []
    table = lab.command("list").stdout
    assert "\x1b" not in table
    assert len(table.splitlines()) == len(names) + 1


FUNCTION = "evil<script>alert(1)</script>"


def test_hostile_functions_and_files(lab: Lab, tmp_path: Path) -> None:
    """Function and file names are escaped in every report and exact in JSON."""
    code = f"""
import types
source = "def f():\\n    return [bytearray(10_000_000)]\\n"
namespace = {{}}
exec(compile(source, '/tmp/<img src=x onerror=alert(1)>.py', 'exec'), namespace)
f = namespace['f']
f.__code__ = f.__code__.replace(co_name={FUNCTION!r})
kept = [f() for _ in range(5)]
import time
end = time.perf_counter() + 0.5
while time.perf_counter() < end: pass
"""
    script = lab.script(code)
    assert lab.start("-q", "-p", "memray", "-p", "cpu", script.name).wait(60) == 0
    lab.wait_shipped()
    shown = lab.show()
    assert FUNCTION in {row["function"] for row in shown["hot"]["memray"]}
    reports = [line.split()[0] for line in lab.command("report", "latest").stdout.splitlines()[1:]]
    assert "memray.flamegraph" in reports
    for report in reports:
        target = tmp_path / "report"
        assert lab.command("report", "latest", report, "-o", str(target)).returncode == 0, report
        if report == "memray.flamegraph":
            assert b"<script>alert(1)" not in target.read_bytes()
            assert b"<img src=x" not in target.read_bytes()
