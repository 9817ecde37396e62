"""Run the conformance suites that are shipped for profilers and renderers."""

from __future__ import annotations

from profilerkit.testing import ProfilerTests, RendererTests
from profilerkit_cpu.profiler import CpuProfiler
from profilerkit_cpu.renderers import TreeRenderer


class TestCpu(ProfilerTests):
    """The cpu profiler does what every profiler must do."""

    profiler_class = CpuProfiler
    contents = ("stacks", "timelines")
    lazy_modules = ("ctypes", "resource", "profilerkit_cpu.reader", "profilerkit_cpu.recorder")


class TestTree(RendererTests):
    """The call tree is what every report must be."""

    renderer_class = TreeRenderer
    profiler_name = "cpu"


del ProfilerTests, RendererTests  # not to be collected themselves
