"""Test the conformance suite for profilers: right ones pass, and each mistake is found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_backends

from profilerkit.interfaces import Profiler
from profilerkit.testing import ProfilerTests
from profilerkit.testing.processes import WORKLOAD, ProfilerProcess, damaged_copies


class TestCallCounter(ProfilerTests):
    """A profiler inside the recorded process that knows functions."""

    profiler_class = tiny_backends.CallCounter
    options = {"minimum": 2}
    contents = ("functions",)
    lazy_modules = ("sqlite3",)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")
class TestRssRecorder(ProfilerTests):
    """A profiler outside the recorded process that streams a timeline."""

    profiler_class = tiny_backends.RssRecorder
    contents = ("timelines",)


def suite_of(profiler: type[Profiler]) -> ProfilerTests:
    """Return the suite for a profiler."""
    return type(
        "Suite", (ProfilerTests,), {"profiler_class": profiler, "lazy_modules": ("profilerkit.interfaces",)}
    )()


Check = Callable[[ProfilerTests, ProfilerProcess, Path], None]

MISTAKES: list[tuple[type[Profiler], Check]] = [
    (tiny_backends.Unexplained, lambda suite, _process, _home: suite.test_options_have_defaults_and_help()),
    (tiny_backends.Unadorned, lambda suite, _process, _home: suite.test_options_have_defaults_and_help()),
    (
        tiny_backends.CallCounter,
        lambda suite, process, _home: suite.test_importing_it_does_not_import_the_tool(process),
    ),
    (tiny_backends.Talkative, lambda suite, process, _home: suite.test_it_is_silent(process)),
    (tiny_backends.Keeper, lambda suite, process, _home: suite.test_stop_gives_back_what_it_took(process)),
    (tiny_backends.Lingerer, lambda suite, process, _home: suite.test_stop_gives_back_what_it_took(process)),
    (tiny_backends.Clinger, lambda suite, process, _home: suite.test_fork(process, "normal")),
    (tiny_backends.Forgetter, lambda suite, process, _home: suite.test_killed_after_a_checkpoint(process)),
    (tiny_backends.Trusting, lambda suite, process, home: suite.test_damaged_captures(process, home)),
    (tiny_backends.Crasher, lambda suite, process, _home: suite.test_recording_can_be_read(process)),
    (tiny_backends.Nonsense, lambda suite, process, _home: suite.test_recording_can_be_read(process)),
    (tiny_backends.Empty, lambda suite, process, _home: suite.test_recording_can_be_read(process)),
    (tiny_backends.Stumbler, lambda suite, process, _home: suite.test_stop_after_a_failing_start(process)),
    (tiny_backends.Rootless, lambda suite, process, _home: suite.test_own_code_is_told_apart(process)),
]


@pytest.mark.parametrize(("profiler", "check"), MISTAKES, ids=[each.__name__ for each, _ in MISTAKES])
def test_each_mistake_is_found(profiler: type[Profiler], check: Check, tmp_path: Path) -> None:
    """A profiler with one mistake fails the test that is about it."""
    process = ProfilerProcess(profiler, {}, WORKLOAD, tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(suite_of(profiler), process, tmp_path)


def test_a_reader_that_may_crash_is_borne_when_declared(tmp_path: Path) -> None:
    """A tool whose reader crashes on damaged data passes when the suite was told so."""
    suite = suite_of(tiny_backends.Crasher)
    suite.__class__.reader_may_crash = True
    suite.test_damaged_captures(ProfilerProcess(tiny_backends.Crasher, {}, WORKLOAD, tmp_path), tmp_path)


def test_an_unavailable_profiler_is_skipped(tmp_path: Path) -> None:
    """Where the tool cannot run, the suite says why and does not fail."""
    with pytest.raises(pytest.skip.Exception, match="not today"):
        suite_of(tiny_backends.Unavailable).test_recording_can_be_read(
            ProfilerProcess(tiny_backends.Unavailable, {}, WORKLOAD, tmp_path)
        )


def test_damage_is_of_every_kind(tmp_path: Path) -> None:
    """Each copy differs from the capture in one file, which is missing, cut, grown or altered."""
    capture = tmp_path / "capture"
    (capture / "sub").mkdir(parents=True)
    (capture / "sub" / "data").write_bytes(b"0123456789" * 20)
    (capture / "other").write_bytes(b"")
    copies = list(damaged_copies(capture, tmp_path / "damaged"))
    names = {copy.name for copy in copies}
    assert {"empty folder", "data missing", "data cut at 100", "data is noise", "data flipped 2"} <= names
    for copy in copies[1:]:
        altered = [
            file
            for file in ("sub/data", "other")
            if not (copy / file).exists() or (copy / file).read_bytes() != (capture / file).read_bytes()
        ]
        assert len(altered) <= 1
    assert (capture / "sub" / "data").read_bytes() == b"0123456789" * 20
