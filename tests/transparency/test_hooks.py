"""A program that sets profile hooks of its own has every call reported to them, and nothing else."""

from __future__ import annotations

import sys

import pytest

from tests.support.twins import ALL, Twins

EVENTS = """
import sys, threading
def work(depth=0):
    len("abc")
    return work(depth + 1) if depth < 3 else [x for x in range(2)]
def run():
    {run}
events = []
def hook(frame, event, arg):
    events.append((event, frame.f_code.co_name, getattr(arg, "__name__", None)))
{before}
run()
{after}
for each in events:
    print(each)
print(sys.getprofile(), threading._profile_hook)
"""
IN_THREADS = "threads = [threading.Thread(target=work) for _ in range(2)]; " + "; ".join(
    ("[each.start() for each in threads]", "[each.join() for each in threads]")
)
PRINTING = """
import atexit, sys
here = __file__
def hook(frame, event, arg):
    # What Python itself calls at its end depends on which modules there are.
    file = frame.f_code.co_filename
    if file == here or "profilerkit" in file and "_on_tick" != frame.f_code.co_name:
        print(event, frame.f_code.co_name, frame.f_lineno)
    return hook
class Last:
    def __del__(self): pass
last = Last()
def leave(): pass
def work(): return len("abc")
atexit.register(leave)
"""
PROGRAMS = {
    "sys.setprofile": EVENTS.format(
        run="work()", before="sys.setprofile(hook)", after="sys.setprofile(None)\nwork()"
    ),
    "set twice": EVENTS.format(
        run="work()",
        before="sys.setprofile(hook)\nsys.setprofile(None)\nsys.setprofile(hook)",
        after="sys.setprofile(None)",
    ),
    "set in a function": EVENTS.format(
        run="sys.setprofile(hook); work(); sys.setprofile(None); work()", before="", after=""
    ),
    "threading.setprofile": EVENTS.format(
        run=IN_THREADS,
        before="names = ('work', 'run')\nseen = hook\n"
        "def hook(frame, *rest):\n    if frame.f_code.co_name in names: seen(frame, *rest)\n"
        "threading.setprofile(hook)",
        after="threading.setprofile(None)",
    ),
    "never unset": "import atexit, sys\nseen = []\ndef hook(frame, event, arg):\n"
    "    seen.append((event, frame.f_code.co_name)) if len(seen) < 30 else None\n"
    "def work(): return len('abc')\nsys.setprofile(hook)\nwork()\natexit.register(lambda: print(seen))\n",
    "that prints, to the end": PRINTING + "sys.setprofile(hook)\nwork()\n",
    "that prints, to an error": PRINTING + "sys.setprofile(hook)\nwork()\n1 / 0\n",
    "that prints, to an exit": PRINTING + "sys.setprofile(hook)\nwork()\nsys.exit(3)\n",
    "tracer to the end": PRINTING + "sys.settrace(hook)\nwork()\n",
    "tracer to an error": PRINTING + "sys.settrace(hook)\nwork()\nlen(3)\n",
    "set while threads run": EVENTS.format(
        run="sys.setprofile(hook); work(); sys.setprofile(None); stop.set(); other.join()",
        before="stop = threading.Event()\nother = threading.Thread(target=stop.wait)\nother.start()",
        after="",
    ),
    "getprofile": "import sys\nprint(sys.getprofile())\ndef hook(*_): pass\nsys.setprofile(hook)\n"
    "print(sys.getprofile() is hook)\nsys.setprofile(None)\nprint(sys.getprofile())\n",
    "wrong argument": "import sys\nsys.setprofile()\n",
    "wrong keyword": "import sys\nsys.setprofile(function=1)\n",
    "error in the hook": "import sys\ndef hook(*_): 1 / 0\ndef f(): pass\nsys.setprofile(hook)\nf()\n",
    "profile": "import profile\ndef f(n): return n and f(n - 1)\n"
    "p = profile.Profile(bias=0)\np.runctx('f(5)', globals(), {})\np.create_stats()\n"
    "print(sorted((key[2], value[:2]) for key, value in p.stats.items() if key[2] in 'f<module>'))\n",
    "cProfile": "import cProfile, pstats\ndef f(n): return n and f(n - 1)\np = cProfile.Profile()\n"
    "p.enable(); f(5); p.disable(); f(3)\n"
    "print(sorted((key[2], value[:2]) for key, value in pstats.Stats(p).stats.items()))\n",
    "cProfile to the end": "import cProfile, atexit, pstats\ndef f(n): return n and f(n - 1)\n"
    "p = cProfile.Profile()\np.enable()\nf(5)\n"
    "@atexit.register\ndef say():\n    p.disable()\n"
    "    print({key[2]: value[:2] for key, value in pstats.Stats(p).stats.items()}['f'])\n",
    "cProfile module": "import sys, cProfile\ndef f(): pass\n"
    "try: cProfile.run('f()', 'out')\nfinally: print(len(open('out', 'rb').read()) > 50)\n",
    "trace": "import sys\nlines = []\ndef tracer(frame, event, arg):\n"
    "    lines.append((frame.f_code.co_name, event, frame.f_lineno))\n    return tracer\n"
    "def f():\n    x = 1\n    return x\nsys.settrace(tracer)\nf()\nsys.settrace(None)\nprint(lines)\n",
    "monitoring": "import sys\nm = sys.monitoring\nm.use_tool_id(2, 'mine')\nseen = []\n"
    "m.register_callback(2, m.events.PY_START, lambda code, _: seen.append(code.co_name))\n"
    "m.set_events(2, m.events.PY_START)\ndef f(): pass\nf(); f()\nm.set_events(2, 0)\n"
    "print(seen, [m.get_tool(each) for each in range(6)])\n",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_hook_of_the_program(twins: Twins, name: str) -> None:
    """What the program's own hooks and profilers see is exactly what they see without us."""
    if name == "monitoring" and sys.version_info < (3, 12):
        pytest.skip("sys.monitoring came with 3.12")
    twins.assert_same_source(PROGRAMS[name])


A_TICK_ON_ITS_WAY = """
import ctypes, functools, sys
kill = functools.partial(getattr(ctypes.CDLL(None), "raise"), 23)
events = []
def hook(frame, event, arg): events.append((event, frame.f_code.co_name))
# Nothing of Python runs between the signal and the hook, so that its handler has not run yet.
list(map(functools.partial.__call__, [kill, functools.partial(sys.{setter}, hook)]))
def work(): pass
work()
sys.{setter}(None)
print(events)
"""


@pytest.mark.parametrize("setter", ["setprofile", "settrace"])
def test_a_tick_that_is_on_its_way(twins: Twins, setter: str) -> None:
    """The cpu profiler's signal that came just before the hook is not seen by it."""
    twins.profilers = [name for name in ALL if name != "memray"]
    twins.assert_same_source(A_TICK_ON_ITS_WAY.format(setter=setter))
    if "cpu" in ALL:
        assert twins.captures()["cpu"] == ("complete", None)
        warnings = [each for each in twins.show()["warnings"] if f"sys.{setter}" in each]
        assert len(warnings) == 1


def test_coverage(twins: Twins) -> None:
    """Coverage run under a recording counts the same lines."""
    pytest.importorskip("coverage")
    twins.write("def f(x):\n    if x:\n        return 1\n    return 2\nprint(f(1))\n", "covered.py")
    source = "import coverage\nc = coverage.Coverage(data_file=None, include=['covered.py'])\nc.start()\n"
    twins.assert_same_source(source + "import covered\nc.stop()\nprint(c.analysis2('covered.py')[1:])\n")


@pytest.mark.skipif("memray" not in ALL, reason="memray is not here")
def test_recording_says_that_a_hook_ended_memray(twins: Twins) -> None:
    """The capture that had to make way is partial, with the reason; the others are whole."""
    twins.recorded(twins.write(PROGRAMS["sys.setprofile"]))
    captures = twins.captures()
    status, error = captures.pop("memray")
    assert status == "partial"
    assert error is not None and "set a profile hook of its own (sys.setprofile)" in error
    assert {"complete"} == {status for status, _ in captures.values()}, captures


def test_pyinstrument_in_the_program(twins: Twins) -> None:
    """The program's own pyinstrument finds its functions, also one that ends after the recording."""
    pytest.importorskip("pyinstrument")
    # It warns of a slow clock, which one of two runs on a busy machine may have.
    twins.lab.environment["PYINSTRUMENT_IGNORE_OVERHEAD_WARNING"] = "1"
    twins.assert_same_source("""
import atexit, time
from pyinstrument import Profiler
def busy():
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end: pass
def later(): busy()
profiler = Profiler(interval=0.001)
profiler.start()
busy()
@atexit.register
def end():
    later()
    profiler.stop()
    text = profiler.output_text(show_all=True)
    print("busy" in text, "later" in text)
""")
    if "memray" in ALL:
        assert "hook" in str(twins.show())
