"""A distribution that has renderers alone makes reports of what other backends record."""

from __future__ import annotations

import json

import pytest

from tests.lab import Lab

MODULE = '''
"""Reports of captures that others record."""

from attrs import define, field

from profilerkit.interfaces import ReportRenderer


@define
class OwnRenderer(ReportRenderer):
    title = "Own functions"
    filename = "own.txt"
    greeting: str = field(default="own", metadata={"help": "what the line begins with"})

    def accepts(self, capture):
        return "stacks" in (capture.contents or ())

    def render(self, source, target):
        from profilerkit.stacks import hot

        own = sorted(f"{row.function} in {row.file}" for row in hot(source.reading, limit=9999) if row.own)
        target.write_text(f"{self.greeting}: {', '.join(own)}\\n")


@define
class RawRenderer(ReportRenderer):
    title = "What memray left"
    filename = "raw.json"

    def accepts(self, capture):
        return capture.profiler == "memray"

    def render(self, source, target):
        import json

        raw = (source.folder / "memray.bin").read_bytes()
        about = {"magic": raw[:6].decode(), "subject": str(source.recording.subject)}
        target.write_text(json.dumps({**about, "elsewhere": source.elsewhere}))


class Broken(ReportRenderer):
    title = "Broken"
    filename = "broken.txt"

    def accepts(self, capture):
        raise RuntimeError("no opinion")

    def render(self, source, target):
        raise RuntimeError("never")
'''

ENTRY_POINTS = """
[profilerkit.renderers]
own = acme_reports:OwnRenderer
memray.raw = acme_reports:RawRenderer
cpu.broken = acme_reports:Broken
cpu.missing = acme_reports:NotThere
"""

PROGRAM = """
import time

def heavy():
    kept = [bytearray(1_000_000) for _ in range(20)]
    end = time.perf_counter() + 0.6
    while time.perf_counter() < end:
        sum(range(2000))
    return kept

heavy()
"""


@pytest.fixture
def acme(lab: Lab) -> Lab:
    """Give a lab with such a distribution, and a recording of memray and cpu."""
    pytest.importorskip("memray")
    site = lab.folder / "site"
    about = site / "acme_reports-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "acme_reports.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-reports\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    lab.environment["PYTHONPATH"] = str(site)
    program = lab.start("-p", "memray", "-p", "cpu", str(lab.script(PROGRAM)))
    program.communicate(timeout=60)
    assert program.returncode == 0
    lab.wait_shipped()
    return lab


def test_it_is_offered_and_renders_what_others_recorded(acme: Lab) -> None:
    """By its entry points alone it is offered where it accepts, and gets options, readings and raw files."""
    listed = acme.command("report", "latest").stdout
    for name in ("cpu.own", "memray.own", "memray.raw"):
        assert name in listed
    assert "broken" not in listed
    for profiler in ("cpu", "memray"):
        done = acme.command("report", "latest", f"{profiler}.own", "--option", "greeting=mine")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("mine: ")
        assert "heavy in program.py" in done.stdout
    raw = json.loads(acme.command("report", "latest", "memray.raw").stdout)
    assert raw == {"magic": "memray", "subject": "program.py", "elsewhere": False}
    assert acme.command("report", "latest", "cpu.raw").returncode == 2
