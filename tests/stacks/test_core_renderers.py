"""Test the core's renderers with the suite that third parties use, and what is special to each."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from profilerkit.errors import CaptureError
from profilerkit.interfaces import ReportRenderer
from profilerkit.model import Capture, Status
from profilerkit.reading import Frame, FunctionStat, Metric, Reading, StackTree
from profilerkit.stacks.renderers import (
    FlamegraphDataRenderer,
    HotRenderer,
    SpeedscopeRenderer,
    TimelineRenderer,
)
from profilerkit.testing import RendererTests
from profilerkit.testing.readings import hostile_reading, plain_tree, sample_source


class TestFlamegraphData(RendererTests):
    """Flame graph data."""

    renderer_class = FlamegraphDataRenderer


class TestHot(RendererTests):
    """The table of hot functions."""

    renderer_class = HotRenderer


class TestSpeedscope(RendererTests):
    """Speedscope; deep stacks are cut earlier here, to keep the files of this test small."""

    renderer_class = SpeedscopeRenderer
    options = {"max_entries": 200_000}


class TestTimeline(RendererTests):
    """Timelines as CSV."""

    renderer_class = TimelineRenderer


@pytest.mark.parametrize(
    ("renderer", "accepted"),
    [
        (FlamegraphDataRenderer(), {"stacks"}),
        (SpeedscopeRenderer(), {"stacks"}),
        (HotRenderer(), {"stacks", "functions"}),
        (TimelineRenderer(), {"timelines"}),
    ],
)
def test_accepts_by_what_the_reading_has(renderer: ReportRenderer, accepted: set[str]) -> None:
    """A report is offered where its reading has what it needs, and not before that is known."""
    parts = {"stacks", "functions", "timelines", "edges", "spans"}
    assert {part for part in parts if renderer.accepts(_capture((part,)))} == accepted
    assert renderer.accepts(_capture(None)) is False


def _capture(contents: tuple[str, ...] | None) -> Capture:
    return Capture("sample", Status.COMPLETE, contents=contents)


def test_hot_table_shows_numbers_shares_and_own_code(tmp_path: Path) -> None:
    """The text has own lines first, then functions, with units and percentages."""
    target = tmp_path / "hot.txt"
    reading = Reading(stacks=plain_tree(), notes=("Frames were lost.",))
    HotRenderer().render(sample_source(reading, tmp_path), target)
    assert target.read_text(encoding="utf-8") == (
        "heap: 4.0 KiB in total\n"
        "\n"
        "Lines of your own code, with what others did for them\n"
        "        self               total           function (file:line)\n"
        "     3.4 KiB  85.4%      3.4 KiB  85.4%  * load (etl.py:12)\n"
        "       596 B  14.6%      4.0 KiB 100.0%  * main (etl.py:40)\n"
        "\n"
        "Functions (* is your own code)\n"
        "        self               total           function (file:line)\n"
        "     2.9 KiB  73.2%      2.9 KiB  73.2%    read_csv (pandas/io.py:900)\n"
        "       596 B  14.6%        596 B  14.6%    dumps (stdlib/json/__init__.py:230)\n"
        "       500 B  12.2%      3.4 KiB  85.4%  * load (etl.py:12)\n"
        "         0 B   0.0%      4.0 KiB 100.0%  * main (etl.py:40)\n"
        "\n"
        "Note: Frames were lost.\n"
    )


def test_hostile_names_are_in_the_table_escaped(tmp_path: Path) -> None:
    """Every function is there, on one line of its own."""
    target = tmp_path / "hot.txt"
    HotRenderer().render(sample_source(hostile_reading(), tmp_path), target)
    text = target.read_text(encoding="utf-8")
    for shown in ("two\\nlines\\r\\nand more", "\\x1b[31mred", "lone \\ud800 surrogate", "x" * 300):
        assert f" {shown}" in text


@pytest.mark.parametrize(
    ("renderer", "bad"),
    [
        (FlamegraphDataRenderer(), math.nan),
        (FlamegraphDataRenderer(), 1e308),
        (SpeedscopeRenderer(), math.inf),
        (SpeedscopeRenderer(), 1e308),
        (HotRenderer(), math.nan),
    ],
)
def test_damaged_numbers_are_an_error_in_words(renderer: ReportRenderer, bad: float, tmp_path: Path) -> None:
    """Numbers that are not finite, or too large to add up, make no report."""
    tree = StackTree((Metric("heap", "bytes"),), (Frame("f", "a.py"),), [-1, 0], [-1, 0], ([bad, bad],))
    with pytest.raises(CaptureError, match="not finite"):
        renderer.render(sample_source(Reading(stacks=tree), tmp_path), tmp_path / "report")


@pytest.mark.parametrize("renderer", [FlamegraphDataRenderer(), SpeedscopeRenderer()])
def test_without_stacks_there_is_no_tree(renderer: ReportRenderer, tmp_path: Path) -> None:
    """Asked all the same, the renderer says what is missing."""
    functions = (FunctionStat(Frame("f", "a.py"), 1.0, 1.0),)
    with pytest.raises(CaptureError, match="no stacks"):
        renderer.render(sample_source(Reading(functions=functions), tmp_path), tmp_path / "report")


def test_the_recording_s_name_is_exact_in_speedscope(tmp_path: Path) -> None:
    """The name of the profile is that of the subject, as it was."""
    source = sample_source(Reading(stacks=plain_tree()), tmp_path)
    SpeedscopeRenderer().render(source, tmp_path / "speedscope.json")
    data = json.loads((tmp_path / "speedscope.json").read_text(encoding="ascii"))
    assert data["name"] == f"{source.recording.subject} (sample)"
