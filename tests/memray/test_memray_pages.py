"""memray's other pages and the call tree say what they should, and the large one is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memray_recording import HOSTILE, PROGRAM, Program, Recorded

from profilerkit.errors import CaptureError
from profilerkit.interfaces import ReportRenderer
from profilerkit.model import Capture, Status
from profilerkit.reading import Reading
from profilerkit.testing.readings import sample_source
from profilerkit_memray.pages import FlamegraphRenderer, LeaksRenderer, TableRenderer, TemporalRenderer
from profilerkit_memray.renderers import TreeRenderer

Record = Callable[..., Recorded]

LEAKING = """
import time
def passing():
    return bytearray(30_000_000)
def keeping():
    return bytearray(7_000_000)
time.sleep(0.1)
held = passing()
time.sleep(0.1)
del held
kept = keeping()
time.sleep(0.1)
"""
"""Holds 30 MB at its peak, and 7 MB at its end."""

PARTS = """
def small():
    return bytearray(2_000_000)
def large():
    return [bytearray(3_000_000) for _ in range(6)]
def both():
    return small(), large()
kept = both()
"""
"""Holds 2 MB of one function and 18 MB of another."""

PAGES = [FlamegraphRenderer(), LeaksRenderer(), TableRenderer(), TemporalRenderer()]


def render(renderer: ReportRenderer, recorded: Recorded) -> str:
    """Return the text of a report."""
    target = recorded.folder.parent / "report"
    renderer.render(sample_source(recorded.reading, recorded.folder, profiler="memray"), target)
    return target.read_text(encoding="utf-8")


def data_of(page: str) -> Any:
    """Return what a page's script draws."""
    begin = page.index("const packed_data = ") + len("const packed_data = ")
    return json.JSONDecoder().raw_decode(page, begin)[0]


def test_leaks_are_what_was_not_freed(record: Record) -> None:
    """What was freed before the end is not in the page, and the page says what it means."""
    recorded = record(LEAKING)
    page = render(LeaksRenderer(), recorded)
    strings = data_of(page)["strings"]
    assert ("keeping" in strings, "passing" in strings) == (True, False)
    assert "passing" in data_of(render(FlamegraphRenderer(), recorded))["strings"]
    assert "not freed when the recording ended" in page
    assert "memray.python_allocators=true" in page


def test_leaks_with_python_allocators(record: Record) -> None:
    """Where each object was seen, nobody is told to record so."""
    recorded = record(LEAKING, python_allocators=True)
    target = recorded.folder.parent / "report"
    source = sample_source(Reading(), recorded.folder, profiler="memray")
    source.capture.options["python_allocators"] = True  # type: ignore[index]
    LeaksRenderer().render(source, target)
    page = target.read_text(encoding="utf-8")
    assert "memray.python_allocators=true" not in page
    assert "keeping" in data_of(page)["strings"]


def test_table_has_the_lines_that_allocated(record: Record) -> None:
    """Each row is a line with its bytes; names that are markup are escaped, for the table shows HTML."""
    rows = data_of(render(TableRenderer(), record(HOSTILE)))
    sizes = {row["stack_trace"]: row["size"] for row in rows if "innocent" not in row["stack_trace"]}
    (red,) = [size for place, size in sizes.items() if place.startswith("&lt;script&gt;alert(1)")]
    assert 2_000_000 <= red < 2_001_000
    assert not any(mark in place for place in sizes for mark in "<>")


def test_flame_graph_over_time_has_intervals(record: Record) -> None:
    """Allocations have the time between which they lived, in numbers of samples."""
    data = data_of(render(TemporalRenderer(), record(LEAKING)))
    functions = [data["strings"][each] for each in data["nodes"]["function"]]
    lives = {
        functions[node]: (begin, end) for begin, end, node, _, size in data["intervals"] if size >= 5_000_000
    }
    assert set(lives) == {"passing", "keeping"}
    assert lives["passing"][0] < lives["passing"][1] <= lives["keeping"][0]


def test_a_large_capture_has_no_flame_graph_over_time(record: Record) -> None:
    """Above the limit the page is refused by size, with what to use instead; the limit is an option."""
    recorded = record(PROGRAM)
    with pytest.raises(CaptureError, match=r"gigabytes.*memray\.timeline.*max_capture_mib="):
        render(TemporalRenderer(max_capture_mib=0.001), recorded)
    assert "load" in data_of(render(TemporalRenderer(max_capture_mib=1), recorded))["strings"]


@pytest.mark.parametrize("page", PAGES, ids=lambda each: type(each).__name__)
def test_pages_of_an_interrupted_recording(page: ReportRenderer, tmp_path: Path) -> None:
    """A killed program's pages have its functions."""
    program = Program(
        tmp_path, PROGRAM + "import time; time.sleep(0.1); print('ready', flush=True); time.sleep(60)"
    )
    program.wait_for("ready")
    program.process.kill()
    assert "load" in json.dumps(data_of(render(page, program.end())))


@pytest.mark.parametrize("page", [*PAGES, TreeRenderer()], ids=lambda each: type(each).__name__)
def test_pages_are_of_memray_alone(page: ReportRenderer) -> None:
    """Other profilers' captures are not accepted."""
    assert page.accepts(Capture("memray", Status.PARTIAL, contents=("stacks",)))
    assert not page.accepts(Capture("cpu", Status.COMPLETE, contents=("stacks",)))


def test_tree_draws_calls_by_size(record: Record) -> None:
    """Callees hang from their callers, largest first, with their bytes, share and allocations."""
    recorded = record(PARTS)
    lines = render(TreeRenderer(), recorded).splitlines()
    (small,) = [line for line in lines if " small " in line]
    (both,) = [line for line in lines if " both " in line]
    (large,) = [line for line in lines if " large " in line]
    assert lines.index(both) < lines.index(large) < lines.index(small)
    assert both.split()[:2] == ["19.1", "MiB"]
    assert (large.split()[:2], large.split()[3]) == (["17.2", "MiB"], "6")
    assert small.split()[:2] == ["1.9", "MiB"]
    assert "└ small" in small


def test_tree_leaves_out_the_smallest(record: Record) -> None:
    """Options bound how much is drawn."""
    recorded = record(PARTS)
    assert " small " in render(TreeRenderer(), recorded)
    some = render(TreeRenderer(min_percent=20), recorded)
    assert (" small " in some, " large " in some) == (False, True)
    drawn = render(TreeRenderer(max_lines=2, min_percent=0), recorded).splitlines()
    assert len(drawn) == 5 + 2


def test_deep_trees_stay_narrow(record: Record) -> None:
    """A stack that is deeper than the indent is drawn at that depth."""
    recorded = record(
        """
def down(depth):
    return bytearray(5_000_000) if depth == 0 else down(depth - 1)
kept = down(300)
"""
    )
    lines = [line for line in render(TreeRenderer(max_indent=10), recorded).splitlines() if " down " in line]
    assert len(lines) == 301
    assert max(map(len, lines)) < 120 + len(str(recorded.folder))


def test_without_stacks_there_is_no_tree(tmp_path: Path) -> None:
    """Asked all the same, the renderer says what is missing."""
    with pytest.raises(CaptureError, match="no stacks"):
        TreeRenderer().render(sample_source(Reading(), tmp_path, profiler="memray"), tmp_path / "report")
