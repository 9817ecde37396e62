"""The options of the profiler, and where it refuses to run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from profilerkit.errors import UnavailableError, UsageError
from profilerkit.model import ProcessIdentity, Subject, Target
from profilerkit_cpu.profiler import CpuProfiler


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "magic"}, "There is no engine 'magic' .there are: sampler, pyinstrument."),
        ({"interval_seconds": 0.0}, "interval_seconds is between 0.001 and 10.0, not 0.0"),
        ({"max_depth": 1}, "max_depth is between 8 and 100000, not 1"),
        ({"max_nodes": 0}, "max_nodes is between 100 and 10000000, not 0"),
    ],
)
def test_impossible_options(options: dict[str, object], words: str) -> None:
    """A value that cannot be used is refused in words."""
    with pytest.raises(UsageError, match=words):
        CpuProfiler(**options)  # type: ignore[arg-type]


def test_it_runs_here() -> None:
    """A CPython with a GIL is what it needs."""
    target = Target(ProcessIdentity(os.getpid(), 0), Subject("script"), 0)
    CpuProfiler().check(target)


def test_free_threaded_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a build without a GIL it says that it has not been tested there."""
    monkeypatch.setattr(sys, "abiflags", "t")
    target = Target(ProcessIdentity(os.getpid(), 0), Subject("script"), 0)
    with pytest.raises(UnavailableError, match="free-threaded"):
        CpuProfiler().check(target)


def test_it_claims_only_that_hooks_see_it() -> None:
    """Neither a profile hook nor a signal is taken away from anybody."""
    assert CpuProfiler().claims() == {"hooks"}


def test_what_is_imported_to_record() -> None:
    """Recording imports the standard library and attrs, and nothing that is heavy or reads captures."""
    code = (
        "import sys, os, tempfile, pathlib\n"
        "from profilerkit_cpu.profiler import CpuProfiler\n"
        "from profilerkit.model import ProcessIdentity, Subject, Target\n"
        "target = Target(ProcessIdentity(os.getpid(), 0), Subject('script'), 0)\n"
        "profiler = CpuProfiler()\n"
        "profiler.check(target)\n"
        "profiler.start(pathlib.Path(tempfile.mkdtemp()), target); profiler.stop()\n"
        "heavy = {'psutil', 'fsspec', 'zstandard', 'pyinstrument', 'asyncio', 'logging', 'cattrs'}\n"
        "print(sorted(heavy & set(sys.modules)), 'profilerkit_cpu.reader' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
