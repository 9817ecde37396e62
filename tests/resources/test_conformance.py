"""Run the conformance suite that is shipped for profilers."""

from __future__ import annotations

from profilerkit.testing import ProfilerTests
from profilerkit_resources.profiler import ResourcesProfiler


class TestResources(ProfilerTests):
    """The resources profiler does what every profiler must do."""

    profiler_class = ResourcesProfiler
    options = {"interval_seconds": 0.1}
    contents = ("timelines",)
    lazy_modules = ("psutil", "profilerkit_resources.reader")
