"""The engine `pyinstrument`: one thread's wall time through a profile hook, with exact awaits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cpu_recording import Program, Recorded, functions, record, self_seconds

import profilerkit
from profilerkit.errors import CaptureError, UnavailableError, UsageError
from profilerkit.interfaces import CaptureFiles
from profilerkit.model import ProcessIdentity, Subject, Target
from profilerkit.reading import StackTree
from profilerkit.testing import ProfilerTests
from profilerkit_cpu.profiler import CpuProfiler

TARGET = Target(ProcessIdentity(os.getpid(), 0), Subject("script"), 0)


class TestPyinstrumentEngine(ProfilerTests):
    """With this engine too the cpu profiler does what every profiler must do."""

    profiler_class = CpuProfiler
    options = {"engine": "pyinstrument"}
    contents = ("stacks", "timelines")
    lazy_modules = ("pyinstrument", "profilerkit_cpu.hook", "profilerkit_cpu.hook_recorder")


del ProfilerTests


def hooked(folder: Path, source: str, **options: object) -> Recorded:
    """Record a program with this engine; it must succeed and print no error."""
    return record(folder, source, engine="pyinstrument", **options)


def whole_wall(recorded: Recorded) -> float:
    """Return the seconds in all stacks."""
    tree = recorded.reading.stacks
    assert tree is not None
    return sum(tree.self_values[0])


def callers(tree: StackTree, function: str) -> set[str]:
    """Return the functions that call one."""
    names = [tree.frames[each].function if node else "" for node, each in enumerate(tree.frame_ids)]
    return {names[tree.parents[node]] for node, name in enumerate(names) if name == function}


# -- what it measures ---------------------------------------------------------------------------


def test_wall_time_of_calls_and_waits(tmp_path: Path) -> None:
    """Every second is in a stack, with built-in functions at their ends."""
    source = "began = time.perf_counter()\ndoze(0.4)\nprint(time.perf_counter() - began)\nspin(0.3)\n"
    recorded = hooked(tmp_path, source)
    reading = recorded.reading
    assert reading.stacks is not None
    assert [each.name for each in reading.stacks.metrics] == ["wall"]
    wall = reading.summary["wall_seconds"] or 0.0
    assert recorded.seconds("wall", "doze") == pytest.approx(float(recorded.stdout), abs=0.03)
    assert recorded.seconds("wall", "spin") == pytest.approx(
        wall - recorded.seconds("wall", "doze"), abs=0.05
    )
    assert whole_wall(recorded) == pytest.approx(wall, rel=0.01)
    assert callers(reading.stacks, "sleep") == {"doze"}
    assert recorded.raw["complete"] is True


def test_it_says_what_it_does_not_see(tmp_path: Path) -> None:
    """Another thread is in no stack, and a note says so."""
    source = "worker = threading.Thread(target=spin, args=(0.2,)); worker.start(); worker.join(); doze(0.1)\n"
    recorded = hooked(tmp_path, source)
    assert "spin" not in functions(recorded.reading)
    assert "one thread (MainThread)" in recorded.notes
    assert "Other threads" in recorded.notes


def test_another_thread_than_the_main_one(tmp_path: Path) -> None:
    """The thread that starts the recording is the one that is seen, even after it has ended."""
    source = """
def body():
    profiler.start(folder, target)
    began = time.perf_counter()
    doze(0.3)
    print(time.perf_counter() - began)
worker = threading.Thread(target=body, name="worker"); worker.start(); worker.join()
doze(0.3)
"""
    recorded = hooked(tmp_path, source)
    assert recorded.seconds("wall", "doze") == pytest.approx(float(recorded.stdout), abs=0.05)
    assert "one thread (worker)" in recorded.notes


def test_threads_that_get_the_ident_of_the_recorded_one(tmp_path: Path) -> None:
    """After the recorded thread's end nothing more is recorded, nor is its end called a fault."""
    source = """
def body():
    profiler.start(folder, target)
    doze(0.1)
def successor():
    time.sleep(1.5)
    profiler.stop()
first = threading.Thread(target=body); first.start(); ident = first.ident; first.join()
second = threading.Thread(target=successor); second.start(); print(second.ident == ident); second.join()
"""
    recorded = hooked(tmp_path, source)
    assert "successor" not in functions(recorded.reading)
    assert "Nothing was sampled" not in recorded.notes
    assert whole_wall(recorded) < 1.5


def test_names_that_pyinstrument_cannot_tell_apart(tmp_path: Path) -> None:
    """A coroutine whose name holds pyinstrument's own separators harms nobody."""
    source = """
import asyncio
async def odd(): await asyncio.sleep(0.05)
odd.__code__ = odd.__code__.replace(co_name="a\\x00b\\x01lc\\x00", co_filename="\\x01lx\\x00")
async def main():
    profiler.start(folder, target)
    await odd()
    print("went on")
asyncio.run(main())
"""
    recorded = hooked(tmp_path, source)
    assert recorded.stdout.strip() == "went on"
    assert self_seconds(recorded.reading, "wall")["[await]"] >= 0.04


def test_deep_stacks_are_cut_and_trees_are_bounded(tmp_path: Path) -> None:
    """The outer frames of a deep stack are left out, and a full tree says so."""
    source = "def f(n):\n    if n: f(n - 1)\n    else: spin(0.2)\nf(60)\n"
    recorded = hooked(tmp_path, source, max_depth=20, max_nodes=100)
    assert "(outer frames left out)" in functions(recorded.reading)
    full = "".join(f"def g{n}(): time.sleep(0.011)\n" for n in range(60)) + "\n"
    full += "".join(f"g{n}()\n" for n in range(60))
    folder = tmp_path / "full"
    folder.mkdir()
    bounded = hooked(folder, full, max_nodes=100)
    assert len(bounded.reading.stacks.parents) <= 100  # type: ignore[union-attr]
    assert "reached its limit" in bounded.notes
    assert whole_wall(bounded) == pytest.approx(bounded.reading.summary["wall_seconds"] or 0.0, rel=0.01)


# -- async code ---------------------------------------------------------------------------------

ASYNC = """
import asyncio, json
waited = {"fetch": 0.0, "load": 0.0}
async def fetch():
    began = time.perf_counter()
    await asyncio.sleep(0.05)
    waited["fetch"] += time.perf_counter() - began
async def load():
    began = time.perf_counter()
    await asyncio.sleep(0.1)
    waited["load"] += time.perf_counter() - began
async def handle():
    for _ in range(4):
        await fetch()
        spin(0.02)
    await load()
async def foreign():
    for _ in range(10):
        spin(0.01)
        await asyncio.sleep(0)
async def main():
    stranger = asyncio.create_task(foreign()) if with_stranger else None
    profiler.start(folder, target)
    await handle()
    profiler.stop()
    if stranger: await stranger
    print(json.dumps(waited))
asyncio.run(main())
"""


def test_awaits_belong_to_the_coroutine_that_awaits(tmp_path: Path) -> None:
    """What a coroutine waits is in it, to the millisecond, and not in the event loop."""
    recorded = hooked(tmp_path, "with_stranger = False\n" + ASYNC)
    tree = recorded.reading.stacks
    assert tree is not None
    assert callers(tree, "[await]") == {"sleep"}
    waited = json.loads(recorded.stdout)
    assert recorded.seconds("wall", "fetch") == pytest.approx(waited["fetch"], abs=0.03)
    assert recorded.seconds("wall", "load") == pytest.approx(waited["load"], abs=0.02)
    assert self_seconds(recorded.reading, "wall")["[await]"] == pytest.approx(sum(waited.values()), abs=0.04)
    assert "select" not in functions(recorded.reading)
    assert whole_wall(recorded) == pytest.approx(recorded.reading.summary["wall_seconds"] or 0.0, rel=0.02)


def test_other_tasks_do_not_show_while_a_coroutine_awaits(tmp_path: Path) -> None:
    """Work of a task that began before counts as the wait of the one that is recorded."""
    recorded = hooked(tmp_path, "with_stranger = True\n" + ASYNC)
    assert "foreign" not in functions(recorded.reading)
    assert recorded.seconds("wall", "fetch") > 0.2


def test_disabled_shows_the_event_loop(tmp_path: Path) -> None:
    """Without following contexts a wait is the event loop's, and other tasks show."""
    recorded = hooked(tmp_path, "with_stranger = True\n" + ASYNC, async_mode="disabled")
    assert "[await]" not in functions(recorded.reading)
    assert {"foreign", "_run_once"} <= functions(recorded.reading)


def test_begun_outside_the_event_loop(tmp_path: Path) -> None:
    """Then no wait can be told from the loop's, and a note says what to do; other programs have none."""
    source = "import asyncio\nasync def main(): await asyncio.sleep(0.2)\nasyncio.run(main())\n"
    recorded = hooked(tmp_path, source)
    assert "[await]" not in functions(recorded.reading)
    assert "the recording has to begin in the coroutine" in recorded.notes
    for name, other in (("in", "with_stranger = False\n" + ASYNC), ("none", "import asyncio\ndoze(0.1)\n")):
        folder = tmp_path / name
        folder.mkdir()
        assert "event loop" not in hooked(folder, other).notes


CALLBACK = """
import contextvars
empty = contextvars.Context()
def elsewhere(): spin(0.2)
profiler.start(folder, target)
spin(0.1)
empty.run(elsewhere)
profiler.stop()
"""


@pytest.mark.parametrize(("mode", "expected"), [("enabled", True), ("strict", False)])
def test_other_contexts(tmp_path: Path, mode: str, expected: bool) -> None:
    """What runs in another context without being awaited shows, but in strict mode."""
    recorded = hooked(tmp_path, CALLBACK, async_mode=mode)
    assert ("elsewhere" in functions(recorded.reading)) is expected
    assert ("[out-of-context]" in functions(recorded.reading)) is not expected


# -- what goes wrong ----------------------------------------------------------------------------


def test_sigkill(tmp_path: Path) -> None:
    """What SIGKILL leaves has all but the last seconds, also of a wait that has not ended."""
    source = "print('go', flush=True)\nspin(0.5)\ndef hang(): time.sleep(60)\nhang()\n"
    recorded = Program(tmp_path, source, {"engine": "pyinstrument"}).kill_after(9.0)
    assert recorded.raw["complete"] is False
    assert recorded.seconds("wall", "spin") > 0.4
    assert recorded.seconds("wall", "hang") > 0.7


def test_sigkill_while_it_awaits(tmp_path: Path) -> None:
    """A wait of a coroutine that has not ended is there too."""
    source = """
import asyncio
async def hang(): await asyncio.sleep(60)
async def main():
    profiler.start(folder, target)
    print("go", flush=True)
    await hang()
asyncio.run(main())
"""
    recorded = Program(tmp_path, source, {"engine": "pyinstrument"}).kill_after(2.5)
    assert recorded.seconds("wall", "hang") > 0.7
    assert "[await]" in functions(recorded.reading)


@pytest.mark.parametrize("given_back", [False, True])
def test_a_foreign_hook_is_told(tmp_path: Path, given_back: bool) -> None:
    """A hook that takes our place in silence is left alone, and a note says from when on."""
    source = "spin(0.2)\nhook = lambda *a: None\nsys.setprofile(hook)\ndoze(0.1)\n"
    source += "sys.setprofile(None)\n" if given_back else ""
    source += "profiler.stop()\nprint(sys.getprofile() is hook)\nsys.setprofile(None)\n"
    recorded = hooked(tmp_path, "import sys\n" + source)
    assert recorded.stdout.strip() == str(not given_back)
    assert "Nothing was sampled from " in recorded.notes
    assert "doze" not in functions(recorded.reading)


def test_a_foreign_hook_is_told_before_the_end(tmp_path: Path) -> None:
    """A recording that is killed tells it too: time after that belongs to no stack."""
    source = """
import sys
def one(): time.sleep(1.0)
def two(): time.sleep(1.0)
print("go", flush=True)
spin(0.2)
sys.setprofile(lambda *a: None)
one(); two(); one(); two(); time.sleep(60)
"""
    recorded = Program(tmp_path, source, {"engine": "pyinstrument"}).kill_after(5.0)
    assert "Nothing was sampled from " in recorded.notes
    assert whole_wall(recorded) < 1.5


def test_a_hook_that_is_there_is_kept(tmp_path: Path) -> None:
    """With a hook of the program's it refuses to start, since it would end that one."""
    source = """
import sys
hook = lambda *a: None
sys.setprofile(hook)
try:
    profiler.start(folder, target)
except Exception as error:
    print(type(error).__name__, error)
print(sys.getprofile() is hook)
sys.setprofile(None)
"""
    recorded = hooked(tmp_path, source)
    first, second = recorded.stdout.splitlines()
    assert "UnavailableError A profile hook is set already" in first
    assert second == "True"


def test_stopped_on_another_thread(tmp_path: Path) -> None:
    """The hook goes with the next call on the thread that has it."""
    source = """
import sys
profiler.start(folder, target)
doze(0.2)
other = threading.Thread(target=profiler.stop); other.start(); other.join()
spin(0.1)
print(sys.getprofile())
"""
    recorded = hooked(tmp_path, source)
    assert recorded.stdout.strip() == "None"
    assert recorded.raw["complete"] is True


def test_exceptions_of_signal_handlers_reach_the_program(tmp_path: Path) -> None:
    """An alarm that raises is raised in the program, however often it strikes."""
    source = """
import signal
class Late(Exception): pass
def ring(*_): raise Late
signal.signal(signal.SIGALRM, ring)
caught = 0
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0011)
        while True: len("")
    except Late:
        caught += 1
print(caught)
"""
    recorded = hooked(tmp_path, source, interval_seconds=0.001)
    assert recorded.stdout.strip() == "300"


def test_recursion_to_the_limit(tmp_path: Path) -> None:
    """A program that recurses to Python's limit gets its RecursionError, and goes on."""
    source = """
import sys
def f(n):
    try: return f(n + 1)
    except RecursionError: return n
depths = [f(0) for _ in range(200)]
print(max(depths) - min(depths) < 10)
"""
    assert hooked(tmp_path, source, interval_seconds=0.001).stdout.strip() == "True"


# -- choosing it --------------------------------------------------------------------------------


def test_options() -> None:
    """It claims the profile hook, and refuses a mode that there is not."""
    assert CpuProfiler(engine="pyinstrument").claims() == {"sys.setprofile"}
    assert CpuProfiler().claims() == {"hooks"}
    with pytest.raises(
        UsageError, match=r"There is no async_mode 'on' .there are: enabled, disabled, strict"
    ):
        CpuProfiler(async_mode="on")


REFUSED = "cannot record together: both need sys.setprofile. Choose one of them, or leave the options of cpu"
"""Which of the two is named first depends on the order in which they were chosen."""


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "by default"])
def test_beside_memray_it_is_refused(tmp_path: Path, typed: bool) -> None:
    """Both need the profile hook: one line says so and what to do, and nothing runs."""
    script = tmp_path / "script.py"
    script.write_text("print('ran')\n")
    chosen = ["-p", "cpu", "-p", "memray"] if typed else []
    command = [sys.executable, "-m", "profilerkit", "run", *chosen, "-o", "cpu.engine=pyinstrument"]
    done = subprocess.run(
        [*command, "--store", str(tmp_path / "store"), str(script)],
        env={**os.environ, "PROFILERKIT_PROFILERS": "memray,cpu"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert REFUSED in " ".join(done.stderr.split())


def test_beside_memray_it_is_refused_in_python() -> None:
    """The API refuses the same, in the same words."""
    with pytest.raises(UsageError, match=REFUSED.replace(".", r"\.")):
        profilerkit.profile("memray", "cpu", options={"cpu": {"engine": "pyinstrument"}})


def test_a_hook_of_the_program_ends_the_recording(tmp_path: Path) -> None:
    """In a session, a program that sets a hook gets it; the capture is partial and says why."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "def before(): time.sleep(0.3)\n"
        "before()\n"
        "seen = []\n"
        "sys.setprofile(lambda frame, event, argument: seen.append(event))\n"
        "before()\n"
        "sys.setprofile(None)\n"
        "print(seen[:2])\n"
    )
    store = str(tmp_path / "store")
    command = [sys.executable, "-m", "profilerkit"]
    options = ["-p", "cpu", "-o", "cpu.engine=pyinstrument", "--store", store]
    done = subprocess.run([*command, "run", *options, str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "['call', 'c_call']\n"), done.stderr
    shown = subprocess.run(
        [*command, "show", "latest", "--store", store], capture_output=True, text=True, check=True
    ).stdout
    assert "the program set a profile hook of its own (sys.setprofile)" in " ".join(shown.split())


def test_without_pyinstrument() -> None:
    """It says in words what to install; the default engine needs nothing."""
    program = (
        "import sys\n"
        "sys.modules['pyinstrument'] = None  # as if it were not there\n"
        "from profilerkit.model import ProcessIdentity, Subject, Target\n"
        "from profilerkit_cpu.profiler import CpuProfiler\n"
        "target = Target(ProcessIdentity(1, 0), Subject('script'), 0)\n"
        "CpuProfiler().check(target)\n"
        "try: CpuProfiler(engine='pyinstrument').check(target)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "UnavailableError" in done.stdout, done.stderr
    assert 'pip install "profilerkit[cpu]"' in done.stdout


# -- the capture --------------------------------------------------------------------------------


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A capture of a format that is not known yet is refused in words."""
    (tmp_path / "cpu.json").write_text(json.dumps({"format": 3}))
    with pytest.raises(CaptureError, match="this version reads up to 2"):
        CpuProfiler.read(CaptureFiles(tmp_path))


@pytest.mark.parametrize(
    "pending", [None, {"stack": [["f"]], "seconds": 1}, {"stack": [], "seconds": "x"}, 3]
)
def test_damaged_pending_time(tmp_path: Path, pending: object) -> None:
    """What is pending is checked like all else."""
    recorded = hooked(tmp_path, "doze(0.05)\n")
    data = {**recorded.raw, "pending": pending}
    (recorded.folder / "cpu.json").write_text(json.dumps(data))
    try:
        CpuProfiler.read(CaptureFiles(recorded.folder))
    except CaptureError as error:
        assert "damaged" in str(error)


def test_it_runs_here() -> None:
    """With pyinstrument installed it can be used."""
    try:
        CpuProfiler(engine="pyinstrument").check(TARGET)
    except UnavailableError as error:
        pytest.fail(str(error))
