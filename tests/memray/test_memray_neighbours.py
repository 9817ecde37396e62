"""Beside other profilers, other Trackers and forks, the program runs as it would alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from memray_recording import Program, Recorded, bytes_at_peak

from profilerkit_memray.profiler import GREENLETS, HOOK_TAKEN, MEMRAY_TAKEN

Record = Callable[..., Recorded]

HOOK = """
import sys, threading
from sys import setprofile
seen = []
def hook(frame, event, arg):
    if event == "call":
        seen.append(frame.f_code.co_name)
def watched():
    pass
"""


def test_refused_where_a_hook_is_set(record: Record) -> None:
    """With a profile hook set, for this thread or for new ones, memray is skipped and the hook stays."""
    recorded = record(
        HOOK
        + """
from profilerkit.errors import UnavailableError
for module in (sys, threading):
    module.setprofile(hook)
    try:
        profiler.start(folder, target)
    except UnavailableError as error:
        print(error)
    assert module.getprofile() is hook
    module.setprofile(None)
watched()
sys.setprofile(hook)
watched()
sys.setprofile(None)
print(seen.count("watched"), list(folder.iterdir()))
"""
    )
    first, second, counted = recorded.lines()
    assert first.startswith("A profile hook is set for this thread (hook), and memray would end it.")
    assert second.startswith("A profile hook is set for new threads (hook), and memray would end it.")
    assert counted == "1 []"


def test_hook_that_was_set_meanwhile_survives_the_stop(record: Record) -> None:
    """A hook set without anybody noticing still sees every call after the stop; the capture says so."""
    recorded = record(
        HOOK
        + """
kept = bytearray(3_000_000)
setprofile(hook)
threading._profile_hook = hook
watched()
profiler.stop()
watched()
thread = threading.Thread(target=watched)
thread.start(), thread.join()
setprofile(None)
print(seen.count("watched"))
"""
    )
    assert recorded.lines() == ["3"]
    assert recorded.reading.notes == (HOOK_TAKEN,)
    assert recorded.reading.summary["peak_heap_bytes"] >= 3_000_000


def test_pyinstrument_inside_keeps_its_hook(record: Record) -> None:
    """A pyinstrument profile that outlasts the recording sees what runs after it."""
    pytest.importorskip("pyinstrument")
    recorded = record("""
import sys, time
from pyinstrument import Profiler
def before():
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        pass
def after():
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        abs(-1)
inner = Profiler(interval=0.001)
inner.start()
before()
profiler.stop()
after()
session = inner.stop()
text = inner.output_text(show_all=True)
print("before" in text, "after" in text)
""")
    assert recorded.lines() == ["True True"]
    assert recorded.reading.notes == (HOOK_TAKEN,)


def test_pyinstrument_inside_that_ended(record: Record) -> None:
    """What is allocated after another profiler took and dropped the hook is counted, and noted."""
    pytest.importorskip("pyinstrument")
    recorded = record("""
from pyinstrument import Profiler
def first():
    return bytearray(2_000_000)
def second():
    return bytearray(6_000_000)
kept = [first()]
with Profiler() as inner:
    pass
kept.append(second())
""")
    recorded.lines()
    held = bytes_at_peak(recorded.reading)
    assert 2_000_000 <= held["first"] <= 2_001_000
    assert held["<unknown stack>"] >= 6_000_000
    (note,) = recorded.reading.notes
    assert "of the bytes at the peak have no Python stack" in note


def test_cprofile_inside_keeps_its_hook(record: Record) -> None:
    """A cProfile that outlasts the recording counts the calls after it."""
    recorded = record("""
import cProfile, pstats, sys
def before(): pass
def after(): pass
inner = cProfile.Profile()
inner.enable()
for _ in range(10): before()
profiler.stop()
for _ in range(20): after()
inner.disable()
counts = {name: calls for (_, _, name), (calls, *_) in pstats.Stats(inner).stats.items()}
print(counts["before"], counts["after"])
""")
    assert recorded.lines() == ["10 20"]
    expected = (HOOK_TAKEN,) if sys.version_info < (3, 12) else ()
    assert expected == recorded.reading.notes


OWN_TRACKER = """
def ours():
    return bytearray(3_000_000)
def theirs():
    return bytearray(5_000_000)
kept = [ours()]
with Tracker(own := folder.parent / "own.bin") as tracker:
    assert isinstance(tracker, memray.Tracker) and type(tracker) is memray._memray.Tracker
    kept.append(theirs())
with Tracker(folder.parent / "again.bin"):
    kept.append(theirs())
with memray.FileReader(own) as reader:
    records = list(reader.get_high_watermark_allocation_records())
    print(max((each.size, each.stack_trace()[0][0]) for each in records))
print(yields)
"""


@pytest.mark.parametrize("start", ["", "profiler.start(folder, target)\n"], ids=["imported-after", "before"])
def test_program_that_uses_memray_itself(record: Record, start: str) -> None:
    """The program's own Tracker works and sees what it would; our capture ends there, and says so."""
    recorded = record("import memray\nfrom memray import Tracker\n" + start + OWN_TRACKER)
    size, yields = recorded.lines()
    assert size in ("(5000001, 'theirs')", "(5000000, 'theirs')")
    assert repr([MEMRAY_TAKEN]) == yields
    held = bytes_at_peak(recorded.reading)
    assert 3_000_000 <= held["ours"] <= 3_001_000
    assert "theirs" not in held
    assert recorded.reading.notes == (MEMRAY_TAKEN,)


def test_refused_where_the_program_tracks_itself_already(record: Record) -> None:
    """With a Tracker of the program's active, ours is skipped, and the program's is whole."""
    recorded = record("""
import memray
from profilerkit.errors import UnavailableError
with memray.Tracker(folder.parent / "own.bin"):
    try:
        profiler.start(folder, target)
    except UnavailableError as error:
        print(error)
    kept = bytearray(4_000_000)
print(memray.FileReader(folder.parent / "own.bin").metadata.peak_memory >= 4_000_000, list(folder.iterdir()))
""")
    message, whole = recorded.lines()
    assert message.startswith("The program is using memray itself")
    assert whole == "True []"


FORKING = """
import os, sys, threading
kept = [bytearray(2_000_000)]
before = (folder / "memray.bin").read_bytes().rstrip(b"\\0")
child = os.fork()
if child == 0:
    try:
        seen = []
        def hook(frame, event, arg):
            seen.append(event)
        def grow():
            return bytearray(9_000_000)
        print(sys.getprofile(), threading.getprofile())
        sys.setprofile(hook)
        kept.append(grow())
        sys.setprofile(None)
        print(seen.count("call"))
        import memray
        with memray.Tracker(folder.parent / "child.bin"):
            kept.append(grow())
        print(memray.FileReader(folder.parent / "child.bin").metadata.peak_memory >= 9_000_000)
        profiler.stop()
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
        sys.stdout.flush()
    finally:
        os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
def after():
    return bytearray(4_000_000)
kept.append(after())
"""


def test_forked_child(record: Record) -> None:
    """A child can set hooks, fork, and use memray; nothing of it gets into the parent's capture."""
    recorded = record("import warnings; warnings.simplefilter('ignore')\n" + FORKING)
    assert recorded.lines() == ["None None", "1", "True", "7", "0"]
    held = bytes_at_peak(recorded.reading)
    assert "grow" not in held
    assert 4_000_000 <= held["after"] <= 4_001_000
    assert 6_000_000 <= recorded.reading.summary["peak_heap_bytes"] < 7_000_000
    assert recorded.reading.notes == ()


def test_forked_while_memray_was_imported_first(record: Record) -> None:
    """It makes no difference whether memray was imported before or after a session follows forks."""
    recorded = record(
        "import memray, os, warnings; warnings.simplefilter('ignore')\n"
        "os.register_at_fork(after_in_child=profiler.abandon)\n"
        "profiler.start(folder, target)\n" + FORKING
    )
    assert recorded.lines() == ["None None", "1", "True", "7", "0"]
    assert 4_000_000 <= bytes_at_peak(recorded.reading)["after"] <= 4_001_000


def test_multiprocessing(record: Record) -> None:
    """Pools and processes made by fork work, from a thread too, and leave the capture whole."""
    recorded = record("""
import multiprocessing, threading, warnings
warnings.simplefilter("ignore")
def square(number):
    bytearray(8_000_000)
    return number * number
def main():
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        print(pool.map(square, range(5)))
    process = context.Process(target=square, args=(3,))
    process.start(), process.join()
    print(process.exitcode)
main()
thread = threading.Thread(target=main)
thread.start(), thread.join()
kept = bytearray(3_000_000)
""")
    assert recorded.lines() == ["[0, 1, 4, 9, 16]", "0"] * 2
    assert "square" not in bytes_at_peak(recorded.reading)
    assert recorded.reading.summary["allocation_events"] > 100


def test_child_that_outlives_its_parent(tmp_path: Path) -> None:
    """A child that exits after its parent was killed writes nothing into the parent's capture."""
    program = Program(
        tmp_path,
        """
import os, signal, sys, time
kept = bytearray(3_000_000)
if os.fork() == 0:
    parent = os.getppid()
    os.kill(parent, signal.SIGKILL)
    while os.getppid() == parent:
        time.sleep(0.01)
    before = (folder / "memray.bin").read_bytes()
    more = bytearray(9_000_000)
    profiler.stop()
    print(before == (folder / "memray.bin").read_bytes())
    sys.exit(0)
time.sleep(30)
""",
    )
    recorded = program.end()
    assert recorded.stdout == "True\n"
    assert 3_000_000 <= recorded.reading.summary["peak_heap_bytes"] < 4_000_000


def test_greenlets_make_no_noise(record: Record) -> None:
    """memray's warning about greenlets does not reach the program's stderr; the capture has a note."""
    pytest.importorskip("greenlet")
    recorded = record("""
import greenlet
def work():
    return bytearray(3_000_000)
kept = greenlet.greenlet(work).switch()
""")
    recorded.lines()
    assert 3_000_000 <= bytes_at_peak(recorded.reading)["work"] <= 3_001_000
    assert recorded.reading.notes == (GREENLETS,)


def test_names_that_are_not_utf8(record: Record) -> None:
    """Where code may lie under a name that is not UTF-8, memray is skipped: it would break the program."""
    recorded = record("""
import os, sys
from profilerkit.errors import UnavailableError
sys.path.insert(0, os.fsdecode(b"/app/caf\\xe9"))
code = compile("def f():\\n    return bytearray(2_000_000)", sys.path[0] + "/code.py", "exec")
try:
    profiler.start(folder, target)
except UnavailableError as error:
    print(error)
exec(code)
print(len(f()))
""")
    message, result = recorded.lines()
    assert message.startswith("Code lies under a name that is not UTF-8 ('/app/caf\\udce9')")
    assert result == "2000000"
