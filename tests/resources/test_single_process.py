"""Test what is recorded of one process: peaks, CPU time, threads, and how it may end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from profilerkit.interfaces import CaptureFiles
from profilerkit_resources.profiler import ResourcesProfiler

from .conftest import RunProgram, record

MIB = 1 << 20

SPIKE = """
step("start")
block = bytearray(300 << 20)
del block
step(kernel_peak())
"""


def test_a_spike_between_two_looks_is_known_to_the_kernel(run: RunProgram) -> None:
    """Memory that was used and given back between two looks is in the peak, sampled only."""
    program = run(SPIKE, interval_seconds=60.0)
    (peak_bytes,) = program.next_step()
    program.stop_recording()
    program.go_on()
    assert program.wait() == 0
    assert program.reading().summary["peak_rss_bytes"] == pytest.approx(peak_bytes, rel=0.02)


def test_the_peak_after_the_last_look_comes_from_the_last_words(run: RunProgram) -> None:
    """A process that said goodbye has the kernel's peak, whatever was sampled."""
    program = run(
        """
step("start")
step("stopped looking")
block = bytearray(200 << 20)
say_goodbye()
step(kernel_peak())
"""
    )
    program.next_step()
    program.stop_recording()
    (peak_bytes,) = program.next_step()
    program.go_on()
    assert program.wait() == 0
    summary = program.reading().summary
    assert summary["peak_rss_bytes"] == pytest.approx(peak_bytes, rel=0.02)
    assert summary["peak_rss_process_bytes"] == summary["peak_rss_bytes"]


def test_cpu_time_is_the_kernels(run: RunProgram) -> None:
    """User and system time are what the process itself was charged."""
    program = run(
        """
step("start")
burn(0.6)
step(*os.times()[:2])
"""
    )
    user_seconds, system_seconds = program.next_step()
    program.stop_recording()
    summary = program.reading().summary
    assert summary["user_seconds"] == pytest.approx(user_seconds, abs=0.05)
    assert summary["system_seconds"] == pytest.approx(system_seconds, abs=0.05)
    assert summary["cpu_seconds"] == pytest.approx(user_seconds + system_seconds, abs=0.05)


def test_timelines_end_where_the_program_is(run: RunProgram) -> None:
    """Memory that is held shows in the timeline of RSS, and CPU use in that of cores."""
    program = run(
        """
step("start")
block = bytearray(100 << 20)
burn(1.0)
step(rss())
"""
    )
    (rss_bytes,) = program.next_step()
    program.stop_recording()
    timelines = {each.name: each for each in program.reading().timelines}
    assert timelines["rss"].values[-1] == pytest.approx(rss_bytes, rel=0.02)
    assert 0.3 < max(timelines["cpu"].values) <= 1.2
    assert all(list(each.times_seconds) == sorted(each.times_seconds) for each in timelines.values())


def test_two_hundred_threads_are_counted(run: RunProgram) -> None:
    """The most threads at one time are in the summary."""
    program = run(
        """
step("start")
end = threading.Event()
threads = [threading.Thread(target=end.wait) for _ in range(200)]
for each in threads:
    each.start()
step("200 threads")
end.set()
"""
    )
    program.next_step()
    program.stop_recording()
    program.go_on()
    summary = program.reading().summary
    assert (summary["peak_threads"], summary["peak_processes"]) == (201, 1)


def test_a_kill_leaves_what_was_seen(run: RunProgram) -> None:
    """After SIGKILL the peak and the CPU time until then are there, and that it was not seen ending."""
    program = run(
        """
step("start")
block = bytearray(150 << 20)
burn(1.0)
step(kernel_peak())
time.sleep(60)
""",
        interval_seconds=0.05,
    )
    (peak_bytes,) = program.next_step()
    program.process.send_signal(signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert program.stop_recording() == "stopped"
    reading = program.reading()
    assert reading.summary["peak_rss_bytes"] == pytest.approx(peak_bytes, rel=0.02)
    assert reading.summary["cpu_seconds"] == pytest.approx(1.0, abs=0.5)
    assert any("without a last word" in note for note in reading.notes)


def test_a_zombie_is_dead_and_its_time_is_known(run: RunProgram) -> None:
    """The line of memory ends where a process that nobody has reaped yet did; its CPU time can be read."""
    program = run(
        """
step("start")
step("stop looking so often")
burn(0.5)
os._exit(0)
""",
        interval_seconds=60.0,
    )
    program.next_step()
    program.go_on()
    os.waitid(os.P_PID, program.process.pid, os.WEXITED | os.WNOWAIT)
    program.stop_recording()
    reading = program.reading()
    rss = next(each for each in reading.timelines if each.name == "rss")
    assert min(rss.values) > 0
    looks = next(each for each in reading.timelines if each.name == "processes")
    assert rss.times_seconds[-1] < looks.times_seconds[-1]
    assert reading.summary["cpu_seconds"] == pytest.approx(0.55, abs=0.2)


def test_what_was_before_the_recording_is_not_counted(run: RunProgram) -> None:
    """The peak and the CPU time of an old process are its own, not the recording's."""
    program = run(
        """
block = bytearray(300 << 20)
del block
burn(1.0)
time.sleep(1.2)
step("start")
say_goodbye()
step("said goodbye")
"""
    )
    program.next_step()
    program.stop_recording()
    reading = program.reading()
    assert 0 < (reading.summary["peak_rss_bytes"] or 0) < 100 * MIB
    assert (reading.summary["cpu_seconds"] or 0) < 0.3
    assert any("s old at the first look" in note for note in reading.notes)


def test_words_from_the_start_of_the_recording_are_exact(run: RunProgram) -> None:
    """When the session says what was used at its start, everything from there on is counted."""
    program = run(SPIKE, interval_seconds=60.0)
    program.stop_recording()
    zeros = {"children_user_seconds": 0.0, "children_system_seconds": 0.0}
    goodbye = {"peak_rss_bytes": 500 * MIB, "user_seconds": 8.0, "system_seconds": 3.0, **zeros}
    at_start = {"peak_rss_bytes": 400 * MIB, "user_seconds": 5.0, "system_seconds": 1.0, **zeros}
    (program.folder / "goodbye.json").write_text(json.dumps(goodbye))
    (program.folder / "at_start.json").write_text(json.dumps(at_start))
    summary = program.reading().summary
    assert summary["peak_rss_bytes"] == 500 * MIB
    assert (summary["user_seconds"], summary["system_seconds"]) == (3.0, 2.0)


def test_another_program_in_its_place_goes_on_being_recorded(run: RunProgram) -> None:
    """The peak of before an exec is kept, though the kernel starts to count anew."""
    program = run(
        """
step("start")
block = bytearray(200 << 20)
peak_bytes = kernel_peak()
time.sleep(1.0)
step(peak_bytes)
os.execv(sys.executable, [sys.executable, "-c", "print(1, flush=True); input()"])
""",
        interval_seconds=0.05,
    )
    (peak_bytes,) = program.next_step()
    program.next_step()
    program.stop_recording()
    reading = program.reading()
    assert reading.summary["peak_rss_bytes"] == pytest.approx(peak_bytes, rel=0.02)
    rss = next(each for each in reading.timelines if each.name == "rss")
    assert rss.values[-1] < 100 * MIB


def test_a_process_that_is_gone_at_the_start_leaves_an_empty_reading(tmp_path: Path) -> None:
    """Nothing is known, and the reading says why; last words are believed all the same."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    recorder = record(ended.pid, tmp_path)
    assert recorder.communicate("\n")[0].strip() == "stopped"
    reading = ResourcesProfiler.read(CaptureFiles(tmp_path))
    assert reading.summary["peak_rss_bytes"] is None
    assert reading.summary["cpu_seconds"] is None
    assert any("never seen" in note for note in reading.notes)


def test_a_process_that_was_never_seen_has_the_memory_that_it_told_of(tmp_path: Path) -> None:
    """A program may have ended before the first look at it: its own words begin and end the line."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert record(ended.pid, tmp_path).communicate("\n")[0].strip() == "stopped"
    seconds = dict.fromkeys(("user_seconds", "system_seconds", "children_user_seconds"), 0.25)
    words = {**seconds, "children_system_seconds": 0.0}
    at_start = {**words, "monotonic_seconds": 50.0, "rss_bytes": 20 * MIB, "peak_rss_bytes": 21 * MIB}
    goodbye = {**words, "monotonic_seconds": 50.1, "rss_bytes": 30 * MIB, "peak_rss_bytes": 40 * MIB}
    (tmp_path / "at_start.json").write_text(json.dumps(at_start))
    (tmp_path / "goodbye.json").write_text(json.dumps(goodbye))
    reading = ResourcesProfiler.read(CaptureFiles(tmp_path))
    assert reading.summary["peak_rss_bytes"] == 40 * MIB
    rss = next(each for each in reading.timelines if each.name == "rss")
    assert (list(rss.times_seconds), list(rss.values)) == ([0.0, 0.1], [20 * MIB, 30 * MIB])
    assert any("what it said itself" in note for note in reading.notes)


def test_a_process_id_that_is_anothers_now_is_not_recorded(run: RunProgram) -> None:
    """A process is the one that it was by its start time, not by its id."""
    program = run('step("start")')
    from profilerkit.model import ProcessIdentity, Subject, Target

    folder = program.folder / "other"
    folder.mkdir()
    profiler = ResourcesProfiler()
    earlier = ProcessIdentity(program.process.pid, start_ticks=1)
    profiler.start(folder, Target(earlier, Subject("script"), program.process.pid))
    profiler.stop()
    assert ResourcesProfiler.read(CaptureFiles(folder)).summary["peak_rss_bytes"] is None


NOT_DUMPABLE = """
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0
step("start")
block = bytearray(100 << 20)
step(kernel_peak())
"""


def test_a_process_that_may_not_be_traced_is_measured_without_io() -> None:
    """Memory, CPU and threads of a non-dumpable process are readable to its user, its I/O is not."""
    from .conftest import PROGRAM_START

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM_START + NOT_DUMPABLE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        recorder = record(process.pid, folder, 0.05, "nobody")
        process.stdin.write("\n")
        process.stdin.flush()
        (peak_bytes,) = json.loads(process.stdout.readline())
        assert recorder.communicate("\n")[0].strip() == "stopped"
        process.communicate()
        reading = ResourcesProfiler.read(CaptureFiles(folder))
    assert reading.summary["peak_rss_bytes"] == pytest.approx(peak_bytes, rel=0.02)
    assert reading.summary["read_bytes"] is None
    assert any("Bytes read and written are unknown" in note for note in reading.notes)


def test_bytes_written_are_counted(run: RunProgram, tmp_path: Path) -> None:
    """What a process sends to storage is in the summary."""
    program = run(
        """
step("start")
with open(os.environ["CAPTURE_FOLDER"] + "/../data", "wb") as file:
    for _ in range(20):
        file.write(bytes(1 << 20))
    file.flush()
    os.fsync(file.fileno())
with open("/proc/self/io") as file:
    step(next(int(line.split()[1]) for line in file if line.startswith("write_bytes")))
"""
    )
    (written_bytes,) = program.next_step()
    program.stop_recording()
    assert program.reading().summary["written_bytes"] == pytest.approx(written_bytes, abs=1 << 20)
