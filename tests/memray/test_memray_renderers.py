"""memray's reports show what was recorded, load nothing, open nothing, and obey no hostile name."""

from __future__ import annotations

import os
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from memray_recording import HOSTILE, PROGRAM, Program, Recorded

from profilerkit.errors import CaptureError
from profilerkit.interfaces import ReportRenderer
from profilerkit.model import Capture, Status
from profilerkit.reading import Reading
from profilerkit.testing.readings import sample_source
from profilerkit_memray.pages import FlamegraphRenderer
from profilerkit_memray.renderers import StatsRenderer

Record = Callable[..., Recorded]


def render(renderer: ReportRenderer, folder: Path) -> str:
    """Return the text of a report."""
    target = folder.parent / "report"
    target.unlink(missing_ok=True)
    renderer.render(sample_source(Reading(), folder, profiler="memray"), target)
    return target.read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append(tag)
        for name, value in attributes:
            if name == "src" or (name == "href" and tag == "link"):
                self.loads.append(value or "")
            if name == "onerror":
                self.handlers.append(value or "")


def test_flamegraph_shows_the_functions_and_loads_nothing(record: Record) -> None:
    """The page has the program's functions and everything it needs."""
    page = render(FlamegraphRenderer(), record(PROGRAM).folder)
    assert '"load"' in page
    assert '"extract"' in page
    assert Page(page).loads == []
    assert "Command line: <code>program.py</code>" in page


def test_flamegraph_of_an_interrupted_recording(tmp_path: Path) -> None:
    """A killed program's page has its functions, and a duration."""
    program = Program(
        tmp_path, PROGRAM + "import time; time.sleep(0.1); print('ready', flush=True); time.sleep(60)"
    )
    program.wait_for("ready")
    program.process.kill()
    page = render(FlamegraphRenderer(), program.end().folder)
    assert '"load"' in page
    assert "Duration: 0:00:00<br>" not in page


def test_inverted_flamegraph(record: Record) -> None:
    """The option turns the graph around."""
    page = render(FlamegraphRenderer(inverted=True), record(PROGRAM).folder)
    assert "const inverted = true;" in page


def test_hostile_names_are_escaped(record: Record) -> None:
    """Names with markup make the same page, as a browser sees it, as harmless ones; text stays on lines."""
    harmless = record(PROGRAM)
    plain = Page(render(FlamegraphRenderer(), harmless.folder))
    (harmless.folder / "memray.bin").unlink()
    harmless.folder.rmdir()
    recorded = record(HOSTILE)
    recorded.lines()
    page = Page(render(FlamegraphRenderer(), recorded.folder))
    assert plain.elements == page.elements
    assert [] == page.handlers == page.loads
    text = render(StatsRenderer(), recorded.folder)
    assert "line\\nline (/app/line\\nline.py:" in text
    assert "\\x1b[31mred" in text
    assert "\x1b" not in text


def test_files_that_a_capture_names_are_never_opened(record: Record, tmp_path: Path) -> None:
    """A capture that names a secret file, a pipe and a device gives a page without any of them."""
    secret = tmp_path / "secret.py"
    secret.write_text("PASSWORD = 'hunter2'\n" * 50)
    pipe = tmp_path / "pipe.py"
    os.mkfifo(pipe)
    recorded = record(HOSTILE, str(secret), str(pipe), "/dev/zero", "/etc/passwd")
    recorded.lines()
    for renderer in (FlamegraphRenderer(), StatsRenderer()):
        page = render(renderer, recorded.folder)
        assert str(secret) in page
        assert "hunter2" not in page
        assert "root:x:0" not in page


def test_stats_tell_totals_sizes_and_lines(record: Record) -> None:
    """The text has the totals, the classes of sizes, and the lines that allocated most."""
    recorded = record("""
def many():
    for _ in range(1000):
        bytearray(5000)
def big():
    return bytearray(50_000_000)
many(), big()
""")
    text = render(StatsRenderer(largest=2), recorded.folder)
    lines = text.splitlines()
    assert lines[0].startswith("Peak heap              47.7 MiB")
    assert lines[1].startswith("Allocated in all       52.5 MiB  in 1,0")
    most_bytes = lines[lines.index("Most bytes, by the line that allocated") + 1]
    assert most_bytes.split()[:3] == ["47.7", "MiB", "90.9%"]
    assert f"big ({recorded.folder.parent / 'program.py'}:6)" in most_bytes
    most = lines[lines.index("Most allocations, by the line that allocated") + 1]
    assert most.split()[0] == "1,000"
    assert f"many ({recorded.folder.parent / 'program.py'}:4)" in most
    (sizes,) = [line for line in lines if line.startswith("  up to 32.0 KiB")]
    assert int(sizes.split()[4].replace(",", "")) >= 1000
    assert len(lines[lines.index("Most allocations, by the line that allocated") + 1 :]) == 2


def test_stats_of_an_empty_recording(record: Record) -> None:
    """A program that allocates hardly anything has statistics too."""
    assert render(StatsRenderer(), record("").folder).startswith("Peak heap")


@pytest.mark.parametrize("renderer", [FlamegraphRenderer(), StatsRenderer()], ids=["flamegraph", "stats"])
def test_what_cannot_be_rendered(renderer: ReportRenderer, tmp_path: Path) -> None:
    """Other profilers' captures are not accepted; one that is not there or damaged is refused in words."""
    assert not renderer.accepts(Capture("cpu", Status.COMPLETE))
    assert renderer.accepts(Capture("memray", Status.INTERRUPTED))
    with pytest.raises(CaptureError, match="had not begun"):
        render(renderer, tmp_path)
    (tmp_path / "memray.bin").write_bytes(b"memray\0" + bytes(10))
    with pytest.raises(CaptureError, match=r"memray cannot read|another version"):
        render(renderer, tmp_path)


def test_wrong_options() -> None:
    """Values that make no sense are refused."""
    with pytest.raises(ValueError, match="at least 1"):
        StatsRenderer(largest=0)
