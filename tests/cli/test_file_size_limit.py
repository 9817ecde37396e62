"""A limit on the size of files (`ulimit -f`) keeps no program from running."""

from __future__ import annotations

import os
import resource

import psutil
import pytest

from profilerkit.cli.run_command import _readable
from tests.lab import Lab


@pytest.mark.parametrize("size_bytes", [100, 100_000, 5 << 20])
def test_a_plan_of_any_size_reaches_the_launcher(size_bytes: int) -> None:
    """Also one that is larger than a pipe: no process of ours is left to the program."""
    data = os.urandom(size_bytes)
    before = psutil.Process().children()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 1024, limits[0]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            descriptor = _readable(data)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert os.get_inheritable(descriptor)
        with open(descriptor, "rb") as source:
            assert source.read() == data
        assert psutil.Process().children() == before


def test_the_program_runs_without_a_recording(lab: Lab) -> None:
    """There is no place for one: that is said, and nothing else differs."""
    prefix = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")
    with lab.start("-q", "-p", "resources", "-c", "print(1)", prefix=prefix, stderr=-1) as program:
        printed, told = program.communicate(timeout=60)
    assert (program.returncode, printed) == (0, "1\n")
    assert "not recorded" in told
