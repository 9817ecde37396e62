"""What a recorded program allocates is in the capture, under the functions that did it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import fields
from memray_recording import Program, Recorded, bytes_at_peak, stacks_of

from profilerkit.interfaces import CaptureFiles
from profilerkit.testing.checks import check_reading
from profilerkit_memray.profiler import GAVE_UP, NOTES, MemrayProfiler

Record = Callable[..., Recorded]

PROGRAM = """
def load(size):
    return bytearray(size)

def extract():
    return [load(3_000_000) for _ in range(4)]

def main():
    rows = extract()
    temporary = bytearray(7_000_000)
    del temporary, rows
    return bytearray(1_000_000)

kept = main()
print("done")
"""


def test_complete_program(record: Record) -> None:
    """The peak, and who held it, are those of the program."""
    recorded = record(PROGRAM)
    assert recorded.lines() == ["done"]
    reading = recorded.reading
    check_reading(reading)
    held = bytes_at_peak(reading)
    assert 12_000_000 <= held["load"] <= 12_001_000
    assert 7_000_000 <= held["main"] <= 7_001_000
    assert 19_000_000 <= reading.summary["peak_heap_bytes"] <= 19_200_000
    assert sum(held.values()) == reading.summary["peak_heap_bytes"]
    assert reading.summary["peak_rss_bytes"] > 0
    assert reading.summary["allocation_events"] >= 6
    assert tuple(timeline.name for timeline in reading.timelines) == ("heap", "rss")
    assert reading.notes == ()
    assert [each.name for each in recorded.folder.iterdir()] == ["memray.bin"]


def test_outer_frames_are_kept(record: Record) -> None:
    """The stack reaches from the program's first line to the function that allocated."""
    (stack,) = stacks_of(record(PROGRAM).reading, "load")
    assert tuple(name for name in stack if "<" not in name)[:2] == ("main", "extract")
    assert stack[:4] == ("<module>", "<module>", "main", "extract")


def test_threads_before_and_after_the_start(record: Record) -> None:
    """Threads that ran already, and those that come later, have their stacks."""
    reading = record("""
import threading, time
kept = []
go = threading.Event()
def early():
    go.wait()
    early_work()
def early_work():
    kept.append(bytearray(4_000_000))
def late():
    kept.append(bytearray(5_000_000))
first = threading.Thread(target=early)
first.start()
profiler.start(folder, target)
go.set()
second = threading.Thread(target=late)
second.start()
first.join(), second.join()
""").reading
    held = bytes_at_peak(reading)
    assert 4_000_000 <= held["early_work"] <= 4_001_000
    assert 5_000_000 <= held["late"] <= 5_001_000
    assert {("_bootstrap", "_bootstrap_inner", "run", "late")} == stacks_of(reading, "late")
    (stack,) = stacks_of(reading, "early_work")
    assert stack[-3:] == ("run", "early", "early_work")


def test_no_thread_of_ours_is_seen(record: Record) -> None:
    """The program sees no thread but its own, while it runs and afterwards."""
    recorded = record("""
import sys, threading
print(threading.active_count(), sys.getprofile(), len(threading._active))
profiler.stop()
print(threading.active_count(), threading.getprofile(), sys.getprofile())
""")
    assert recorded.lines() == ["1 None 1", "1 None None"]


KEEPS_ALLOCATING = """
import time
kept = []
def hungry():
    kept.append(bytearray(2_000_000))
for _ in range(10):
    hungry()
print("ready", flush=True)
input()
"""


def test_killed_program_names_the_allocating_function(tmp_path: Path) -> None:
    """After SIGKILL the capture has what was allocated until then."""
    program = Program(tmp_path, KEEPS_ALLOCATING)
    program.wait_for("ready")
    program.process.kill()
    recorded = program.end()
    assert recorded.returncode == -signal.SIGKILL
    assert 20_000_000 <= bytes_at_peak(recorded.reading)["hungry"] <= 20_010_000
    assert recorded.reading.notes == ()


def test_capture_is_readable_while_it_is_written(tmp_path: Path) -> None:
    """A copy of the file, taken at any time, has what was allocated until then."""
    program = Program(tmp_path, KEEPS_ALLOCATING)
    program.wait_for("ready")
    copy = tmp_path / "copy"
    shutil.copytree(program.folder, copy)
    assert program.process.stdin is not None
    program.process.stdin.write("\n")
    assert ["ready"][1:] == program.end().lines()
    assert 20_000_000 <= bytes_at_peak(MemrayProfiler.read(CaptureFiles(copy)))["hungry"] <= 20_010_000


def test_secrets_of_the_command_line_are_not_stored(record: Record) -> None:
    """The capture holds the program's name and none of its arguments; the program sees them all."""
    recorded = record("import sys; print(sys.argv[1:])", "--password=hunter2", "hunter2")
    assert recorded.lines() == ["['--password=hunter2', 'hunter2']"]
    stored = b"".join(each.read_bytes() for each in recorded.folder.iterdir())
    assert b"program.py" in stored
    assert b"hunter2" not in stored


FILLS_ITS_FILE = """
import resource
kept = []
def first():
    kept.append(bytearray(9_000_000))
def churn():
    return [bytearray(600) for _ in range(100)]
first()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for turn in range(300):
    named = churn.__code__.replace(co_name="{name}" + str(turn))
    type(churn)(named, globals())()
print("done")
"""


@pytest.mark.parametrize("name", ["churn", "churn" * 600])
def test_full_disk_does_not_touch_the_program(record: Record, name: str) -> None:
    """When the file cannot grow, the program goes on, and what was recorded can be read.

    What is too long for the rest of the file is left out, and memray ends the file there as if in order.
    """
    recorded = record(FILLS_ITS_FILE.format(name=name))
    assert (recorded.returncode, recorded.stdout) == (0, "done\n")
    assert bytes_at_peak(recorded.reading)["first"] >= 9_000_000
    assert recorded.reading.notes == (GAVE_UP,)


def test_a_full_disk_that_takes_no_note_shows_in_the_file(record: Record) -> None:
    """Where not even a note was left, the file itself says that memray had given up for long."""
    recorded = record(FILLS_ITS_FILE.format(name="churn") + "import time; time.sleep(2.5)")
    (recorded.folder / NOTES).unlink()
    assert len([note for note in recorded.reading.notes if "stopped recording" in note]) == 1


def test_deep_recursion_is_unchanged(record: Record) -> None:
    """A program recurses as deep as it would, fails where it would, and its stacks are whole."""
    recorded = record("""
import sys
kept = []
def down(n):
    return down(n - 1) if n else kept.append(bytearray(3_000_000))
def for_ever():
    for_ever()
down(900)
try:
    for_ever()
except RecursionError as error:
    print(str(error)[:32])
""")
    assert recorded.lines() == ["maximum recursion depth exceeded"]
    longest = max(stacks_of(recorded.reading, "down"), key=len)
    assert longest.count("down") == 901


def test_asyncio(record: Record) -> None:
    """What coroutines allocate is under them and the loop that runs them."""
    recorded = record("""
import asyncio
kept = []
async def fetch(number):
    await asyncio.sleep(0.001 * number)
    kept.append(bytearray(1_000_000))
async def main():
    await asyncio.gather(*(fetch(number) for number in range(5)))
asyncio.run(main())
""")
    recorded.lines()
    assert 5_000_000 <= bytes_at_peak(recorded.reading)["fetch"] <= 5_001_000


def test_stop_is_final_and_another_recording_can_follow(record: Record) -> None:
    """Stopping again does nothing; a new profiler records what comes after."""
    recorded = record("""
from profilerkit_memray.profiler import GAVE_UP, NOTES, MemrayProfiler
profiler.stop(), profiler.stop()
kept = bytearray(4_000_000)
other = MemrayProfiler()
(folder / "second").mkdir()
other.start(folder / "second", target)
def after():
    return bytearray(5_000_000)
more = after()
other.stop()
""")
    recorded.lines()
    assert "after" not in bytes_at_peak(recorded.reading)
    second = Recorded(recorded.folder / "second", 0, "", "").reading
    assert 5_000_000 <= bytes_at_peak(second)["after"] < 5_001_000
    assert second.summary["peak_heap_bytes"] < 6_000_000


def test_interrupted_start_leaves_nothing_behind(record: Record) -> None:
    """When a signal handler raises in `start` or `stop`, tracking ends, and the exception goes its way."""
    recorded = record("""
import signal, sys, threading
import memray
from profilerkit_memray.profiler import GAVE_UP, NOTES, MemrayProfiler
class Alarm(BaseException):
    pass
def alarm(*_):
    raise Alarm
signal.signal(signal.SIGALRM, alarm)
interrupted = 0
for attempt in range(60):
    each = MemrayProfiler()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.000_2 * (attempt + 1))
        each.start(folder, target)
        each.stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Alarm:
        interrupted += 1
        each.stop()
    with memray.Tracker(folder / "own.bin"):
        assert threading.active_count() == 1 and sys.getprofile() is None
    for file in folder.iterdir():
        file.unlink()
print(interrupted > 3)
profiler.start(folder, target)
""")
    # On stderr may be what Python says of an exception raised within its import system.
    assert (recorded.returncode, recorded.stdout) == (0, "True\n")


def test_python_allocators_see_small_objects(record: Record) -> None:
    """With the option, objects that live in Python's own arenas are counted."""
    program = "def small():\n    return [object() for _ in range(50_000)]\nkept = small()"
    reading = record(program, python_allocators=True).reading
    assert reading.stacks is not None
    objects = sum(
        count
        for node, count in enumerate(reading.stacks.self_values[1])
        if "small" in reading.stacks.frames[reading.stacks.frame_ids[node]].function
        or "listcomp" in reading.stacks.frames[reading.stacks.frame_ids[node]].function
    )
    assert objects >= 50_000


def test_native_stacks(record: Record) -> None:
    """With the option, C functions are in the stacks, and the capture belongs to this machine."""
    reading = record(PROGRAM, native=True).reading
    assert reading.stacks is not None
    check_reading(reading)
    assert any(
        frame.path.endswith((".c", ".so")) or "Py" in frame.function for frame in reading.stacks.frames
    )
    assert "load" in {frame.function for frame in reading.stacks.frames}
    assert not MemrayProfiler(native=True).portable()
    assert MemrayProfiler().portable()


def test_options_and_claims() -> None:
    """Its options are those that the reference names; the claims are those that the session knows."""
    assert [each.name for each in fields(MemrayProfiler) if each.init] == ["native", "python_allocators"]
    assert MemrayProfiler().claims() == {"sys.setprofile", "descriptors"}


@pytest.mark.slow
def test_large_capture(record: Record) -> None:
    """A capture of 5 MB is read whole: the bytes of all stacks are the peak."""
    recorded = record("""
import os, random
kept = []
def allocate(n):
    if n:
        return allocate(n - 1)
    kept.append(bytearray(random.randrange(600, 2000)))
    if len(kept) > 5000:
        del kept[random.randrange(5000)]
while os.stat(folder / "memray.bin").st_size < 5_000_000:
    for _ in range(1000):
        allocate(random.randrange(50))
""")
    recorded.lines()
    reading = recorded.reading
    check_reading(reading)
    assert reading.stacks is not None
    assert reading.summary["peak_heap_bytes"] == reading.stacks.totals()[0]
    assert reading.summary["allocation_events"] > 50_000
