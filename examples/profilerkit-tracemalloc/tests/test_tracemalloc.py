"""Test the backend with the conformance suites of profilerkit, and nothing else."""

from __future__ import annotations

from profilerkit_tracemalloc import TopRenderer, TracemallocProfiler

from profilerkit.testing import ProfilerTests, RendererTests


class TestTracemallocProfiler(ProfilerTests):
    """tracemalloc knows lines and no functions, so no name of the workload can be found."""

    profiler_class = TracemallocProfiler
    workload_function = None
    contents = ("stacks",)


class TestTopRenderer(RendererTests):
    """The renderer takes the captures of its own backend alone."""

    renderer_class = TopRenderer
    profiler_name = "tracemalloc"
