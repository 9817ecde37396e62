"""The conformance suite for profilers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from profilerkit.interfaces import Profiler
from profilerkit.model import Placement
from profilerkit.readingjson import reading_from_json
from profilerkit.testing.checks import check_options, check_reading, files_of
from profilerkit.testing.processes import WORKLOAD, ProfilerProcess, damaged_copies


class ProfilerTests:
    """Subclass this as `TestSomething` and set `profiler_class`; each test runs real processes.

    The class must be importable in another process by its module's name.
    """

    profiler_class: ClassVar[type[Profiler]]
    options: ClassVar[Mapping[str, Any]] = {}
    workload: ClassVar[str] = WORKLOAD
    """The source of what is recorded: it must print nothing, and end."""
    workload_function: ClassVar[str | None] = "hold_and_compute"
    """A function of the workload that the stacks or functions must name; None if names are unknown."""
    contents: ClassVar[tuple[str, ...]] = ()
    """What a reading of the workload must have: `stacks`, `functions`, `timelines`, …"""
    lazy_modules: ClassVar[tuple[str, ...]] = ()
    """Modules that must not be imported until the profiler is used: the tool, above all."""
    reader_may_crash: ClassVar[bool] = False
    """Whether the tool's own reader may end its process on damaged data, which the core survives."""

    @pytest.fixture
    def profiler(self, tmp_path: Path) -> ProfilerProcess:
        """Run the profiler in processes of its own."""
        return ProfilerProcess(self.profiler_class, self.options, self.workload, tmp_path)

    # -- the class ------------------------------------------------------------------------------

    def test_options_have_defaults_and_help(self) -> None:
        """The class is an attrs class, and each of its fields explains itself."""
        check_options(self.profiler_class)

    def test_class_says_what_it_is(self) -> None:
        """Placement, distributions, claims and portability have the types of the interface."""
        profiler = self.profiler_class(**self.options)
        assert isinstance(profiler.placement, Placement)
        assert isinstance(profiler.portable(), bool)
        claims = profiler.claims()
        assert isinstance(claims, frozenset)
        assert all(isinstance(each, str) for each in (*claims, *profiler.distributions))

    def test_importing_it_does_not_import_the_tool(self, profiler: ProfilerProcess) -> None:
        """Listing profilers costs next to nothing: the tool is imported where it is used."""
        if not self.lazy_modules:
            pytest.skip("the suite was not told which modules are lazy")
        assert [each for each in profiler.run("import_module").value if each in self.lazy_modules] == []

    # -- a recording ----------------------------------------------------------------------------

    def test_recording_can_be_read(self, profiler: ProfilerProcess) -> None:
        """Start, work and stop leave a folder that another process reads."""
        self._read_whole(profiler, self._record(profiler))

    def test_own_code_is_told_apart(self, profiler: ProfilerProcess) -> None:
        """Frames of the workload are the user's own, relative to the recorded root."""
        reading = self._read_whole(profiler, self._record(profiler))
        if not reading["frames"]:
            pytest.skip("the reading has no frames")
        assert ("own", "workload.py") in files_of(reading)
        if self.workload_function is not None:
            assert self.workload_function in {function for function, *_ in reading["frames"]}

    def test_reading_survives_json(self, profiler: ProfilerProcess) -> None:
        """A reading is stored as JSON and comes back the same."""
        folder = self._record(profiler)
        assert profiler.read(folder)[0].get("survives_json") is True

    def test_reading_twice_gives_the_same(self, profiler: ProfilerProcess) -> None:
        """Reading changes nothing in the folder."""
        folder = self._record(profiler)
        first, second = profiler.read(folder, folder)
        assert first == second

    def test_it_is_silent(self, profiler: ProfilerProcess) -> None:
        """It writes nothing into the output of the program."""
        ending = profiler.run("record", folder=str(profiler.capture_folder("capture")))
        assert ending.value is not None
        assert (ending.exit_code, ending.stdout, ending.stderr) == (0, "", "")

    def test_stop_gives_back_what_it_took(self, profiler: ProfilerProcess) -> None:
        """After stop, hooks and signal handlers are as before and no thread is left."""
        left = profiler.run("record", folder=str(profiler.capture_folder("capture"))).value
        assert left == {"kept": [], "threads": []}

    def test_two_recordings_one_after_another(self, profiler: ProfilerProcess) -> None:
        """A process can be recorded again after a recording ended."""
        folders = [profiler.capture_folder(name) for name in ("first", "second")]
        ending = profiler.run("record_twice", folder=str(folders[0]), second_folder=str(folders[1]))
        assert ending.value is None
        for folder in folders:
            self._read_whole(profiler, folder)

    def test_checkpoints_do_not_harm(self, profiler: ProfilerProcess) -> None:
        """Checkpoints, which run on another thread, leave the recording whole."""
        folder = profiler.capture_folder("capture")
        ending = profiler.run("record_with_checkpoints", folder=str(folder))
        assert (ending.value, ending.exit_code) == (None, 0)
        self._read_whole(profiler, folder)

    def test_stops_on_another_thread_if_it_says_so(self, profiler: ProfilerProcess) -> None:
        """What is marked `stops_anywhere` can be stopped when a limit is met."""
        if not self.profiler_class.stops_anywhere:
            pytest.skip("it stops on the thread of its start only")
        folder = profiler.capture_folder("capture")
        ending = profiler.run("record_and_stop_elsewhere", folder=str(folder))
        assert (ending.value, ending.exit_code) == (None, 0)
        self._read_whole(profiler, folder)

    # -- what goes wrong ------------------------------------------------------------------------

    @pytest.mark.parametrize("after_seconds", [0.0, 0.5])
    def test_killed(self, profiler: ProfilerProcess, after_seconds: float) -> None:
        """What SIGKILL leaves gives a reading or a CaptureError."""
        folder = self._kill(profiler, after_seconds=after_seconds)
        self._check_partial(profiler, folder)

    def test_killed_after_a_checkpoint(self, profiler: ProfilerProcess) -> None:
        """What SIGKILL leaves after a checkpoint can be read."""
        folder = self._kill(profiler, checkpoint=True)
        (answer,) = profiler.read(folder, interrupted=True)
        assert "reading" in answer, answer

    def test_damaged_captures(self, profiler: ProfilerProcess, tmp_path: Path) -> None:
        """Files that are missing, empty, cut or altered give a reading or a CaptureError."""
        folders = list(damaged_copies(self._record(profiler), tmp_path / "damaged"))
        if not self.reader_may_crash:
            self._check_partial(profiler, *folders)
            return
        for folder in folders:
            ending = profiler.run(
                "read", folders=[str(folder)], interrupted=True, progress=str(tmp_path / "progress")
            )
            assert ending.exit_code < 0 or "wrong" not in ending.value[0], ending.value

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    @pytest.mark.parametrize("child_exit", ["normal", "abrupt"])
    def test_fork(self, profiler: ProfilerProcess, child_exit: str) -> None:
        """A forked child that let go works on, and the parent's capture is whole and its own."""
        if self.profiler_class.placement is Placement.OUTSIDE:
            pytest.skip("it does not live in the process that forks")
        folder = profiler.capture_folder("capture")
        ending = profiler.run("record_and_fork", folder=str(folder), child_exit=child_exit)
        assert (ending.value, ending.exit_code) == (0, 0), ending.stderr
        reading = self._read_whole(profiler, folder)
        assert ("own", "child.py") not in files_of(reading), "the child's work is in the parent's capture"

    def test_stop_after_a_failing_start(self, profiler: ProfilerProcess) -> None:
        """A start that failed can be stopped, and the next recording is not disturbed."""
        folder = profiler.capture_folder("capture")
        (profiler.home / "file").touch()
        ending = profiler.run(
            "fail_to_start", folder=str(folder), no_folder=str(profiler.home / "file" / "below")
        )
        failures = ending.value
        if failures["start"] is not None:
            assert failures["stop"] is None, failures["stop"]
        assert ending.exit_code == 0, ending.stderr
        self._read_whole(profiler, folder)

    # -- how ------------------------------------------------------------------------------------

    def _record(self, profiler: ProfilerProcess) -> Path:
        folder = profiler.capture_folder("capture")
        ending = profiler.run("record", folder=str(folder))
        assert ending.value is not None
        return folder

    def _kill(
        self, profiler: ProfilerProcess, *, after_seconds: float = 0.0, checkpoint: bool = False
    ) -> Path:
        folder = profiler.capture_folder("capture")
        ending = profiler.kill(folder, after_seconds=after_seconds, checkpoint=checkpoint)
        if ending.answer:
            assert ending.value is None
        assert ending.exit_code < 0, f"it ended by itself: {ending.stderr}"
        return folder

    def _read_whole(self, profiler: ProfilerProcess, folder: Path) -> dict[str, Any]:
        """Read what must be whole, check it, and return it as JSON."""
        (answer,) = profiler.read(folder)
        assert "reading" in answer, answer
        reading = reading_from_json(answer["reading"])
        check_reading(reading)
        assert reading.contents or reading.summary, "the reading is empty"
        assert set(self.contents) <= set(reading.contents)
        data: dict[str, Any] = answer["reading"]
        return data

    def _check_partial(self, profiler: ProfilerProcess, *folders: Path) -> None:
        answers = profiler.read(*folders, interrupted=True)
        wrong = {
            folder.name: answer for folder, answer in zip(folders, answers, strict=True) if "wrong" in answer
        }
        assert wrong == {}
