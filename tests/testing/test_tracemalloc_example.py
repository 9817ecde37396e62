"""Run the example of a third party's backend through the conformance suites, as its own tests do."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from profilerkit.stacks.renderers import FlamegraphDataRenderer, HotRenderer, SpeedscopeRenderer
from profilerkit.testing import ProfilerTests, RendererTests
from profilerkit.testing.processes import ProfilerProcess
from profilerkit.testing.profilers import reading_from_json
from profilerkit.testing.readings import sample_source

example = pytest.importorskip("profilerkit_tracemalloc", reason="the example is not installed")

HOLDER = """
held = []
def hold():
    held.extend(bytes(100_000) for _ in range(50))
hold()
"""


class TestTracemallocProfiler(ProfilerTests):
    """The backend."""

    profiler_class = example.TracemallocProfiler
    workload_function = None
    contents = ("stacks",)


class TestTopRenderer(RendererTests):
    """Its renderer."""

    renderer_class = example.TopRenderer
    profiler_name = "tracemalloc"


@pytest.mark.parametrize(
    ("group", "name", "class_name"),
    [
        ("profilerkit.profilers", "tracemalloc", "TracemallocProfiler"),
        ("profilerkit.renderers", "tracemalloc.top", "TopRenderer"),
    ],
)
def test_entry_points_lead_to_it(group: str, name: str, class_name: str) -> None:
    """The distribution announces both classes under the names that users type."""
    (entry,) = entry_points(group=group, name=name)
    assert entry.load() is getattr(example, class_name)


def test_memory_that_is_held_is_found_in_every_report(tmp_path: Path) -> None:
    """The line that holds 5 MB leads the reading, its own report and the core's."""
    process = ProfilerProcess(example.TracemallocProfiler, {}, HOLDER, tmp_path)
    folder = process.capture_folder("capture")
    assert process.run("record", folder=str(folder)).value is not None
    (answer,) = process.read(folder)
    source = sample_source(reading_from_json(answer["reading"]), folder, profiler="tracemalloc")
    top = _rendered(example.TopRenderer(), source, tmp_path).splitlines()[0].split()
    assert (5_000_000 < float(top[0]) * 1024**2 < 5_100_000, top[1:]) == (True, ["MiB", "workload.py:4"])
    for renderer in (HotRenderer(), FlamegraphDataRenderer(), SpeedscopeRenderer()):
        assert renderer.accepts(source.capture)
        assert "workload.py" in _rendered(renderer, source, tmp_path)


def _rendered(renderer: object, source: object, folder: Path) -> str:
    target = folder / renderer.filename  # type: ignore[attr-defined]
    renderer.render(source, target)  # type: ignore[attr-defined]
    return target.read_text(encoding="utf-8")
