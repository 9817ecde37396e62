"""Run the conformance suites that are shipped for profilers and renderers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from memray_recording import HOSTILE, PROGRAM, Program, Recorded

from profilerkit.interfaces import Source
from profilerkit.reading import Reading
from profilerkit.testing import ProfilerTests, RendererTests
from profilerkit.testing.readings import sample_source
from profilerkit_memray.pages import FlamegraphRenderer, LeaksRenderer, TableRenderer, TemporalRenderer
from profilerkit_memray.profiler import MemrayProfiler
from profilerkit_memray.renderers import StatsRenderer, TreeRenderer


class TestMemray(ProfilerTests):
    """The memray profiler does what every profiler must do."""

    profiler_class = MemrayProfiler
    contents = ("stacks", "timelines")
    lazy_modules = ("memray", "ctypes", "profilerkit_memray.reader", "profilerkit_memray.tracking")
    reader_may_crash = True


class OfRawFiles(RendererTests):
    """A suite for renderers that read memray's own file."""

    profiler_name = "memray"

    def sources(self, folder: Path) -> Iterator[Source]:
        """Yield a plain capture, one with hostile names, and one of a program that does nothing."""
        for number, program in enumerate((PROGRAM, HOSTILE, "")):
            home = folder / str(number)
            home.mkdir()
            recorded = Program(home, program).end()
            yield sample_source(self.reading(recorded), recorded.folder, profiler="memray")

    def reading(self, recorded: Recorded) -> Reading:
        """Return none, for the report is made of the raw file."""
        return Reading()


class TestFlamegraph(OfRawFiles):
    """memray's flame graph is what every report must be."""

    renderer_class = FlamegraphRenderer


class TestLeaks(OfRawFiles):
    """memray's flame graph of leaks is what every report must be."""

    renderer_class = LeaksRenderer


class TestTable(OfRawFiles):
    """memray's table is what every report must be."""

    renderer_class = TableRenderer


class TestTemporal(OfRawFiles):
    """memray's flame graph over time is what every report must be."""

    renderer_class = TemporalRenderer


class TestTree(OfRawFiles):
    """The call tree is what every report must be; it is made of the reading."""

    renderer_class = TreeRenderer

    def reading(self, recorded: Recorded) -> Reading:
        """Return the capture's reading."""
        return recorded.reading


class TestStats(OfRawFiles):
    """memray's statistics are what every report must be."""

    renderer_class = StatsRenderer


del OfRawFiles, ProfilerTests, RendererTests  # not to be collected themselves
