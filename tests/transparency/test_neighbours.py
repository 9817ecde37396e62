"""Programs that use what profilers use are unchanged, and the recording says what it could not measure."""

from __future__ import annotations

import sys

import pytest

from tests.support.twins import ALL, Twins, needs_root

with_memray = pytest.mark.skipif("memray" not in ALL, reason="memray is not here")

PROGRAMS = {
    "threads that come and go": "import threading\ndone = []\n"
    "def work(n): done.append(sum(range(n * 1000)))\n"
    "for n in range(60):\n    t = threading.Thread(target=work, args=(n,)); t.start()\n"
    "    if n % 3: t.join()\n"
    "for t in threading.enumerate():\n    if t is not threading.main_thread(): t.join()\n"
    "print(len(done), threading.active_count(), threading.main_thread().name)\n"
    "print([t.name for t in threading.enumerate()])\n",
    "raw threads": "import _thread, threading, time\nlock = _thread.allocate_lock(); lock.acquire()\n"
    "_thread.start_new_thread(lambda: (time.sleep(0.2), lock.release()), ())\nlock.acquire()\n"
    "print(_thread._count() >= 0, threading.enumerate()[1:])\n",
    "thread pool": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n"
    "    print(sum(pool.map(lambda n: n * n, range(500))))\n",
    "thread-local and names": "import threading\nlocal = threading.local()\nlocal.x = 1\n"
    "def look(): print(hasattr(local, 'x'), threading.current_thread().name)\n"
    "t = threading.Thread(target=look); t.start(); t.join()\n",
    "asyncio": "import asyncio\nasync def work(n):\n    await asyncio.sleep(0.01)\n    return n\n"
    "async def main():\n    asyncio.get_running_loop().slow_callback_duration = 60\n"
    "    print(sum(await asyncio.gather(*map(work, range(50)))))\n"
    "    print(await asyncio.to_thread(lambda: 5))\n    try:\n"
    "        await asyncio.wait_for(asyncio.sleep(9), 0.05)\n"
    "    except asyncio.TimeoutError: print('timeout')\nasyncio.run(main(), debug=True)\n",
    "files closed by number": "import io\nfor each in range(3, 256):\n"
    "    try: io.FileIO(each, closefd=True).close()\n    except OSError: pass\n"
    "x = [bytearray(1000) for _ in range(30000)]\nprint('ok', flush=True)\n",
    "deep recursion": "import sys\ndef dive(n):\n    global deepest\n    deepest = n\n    dive(n + 1)\n"
    "def at(depth):\n    return depth and at(depth - 1)\nfor _ in range(3):\n    try: dive(1)\n"
    "    except RecursionError as error: print(error)\nprint(sys.getrecursionlimit())\n"
    "sys.setrecursionlimit(20_000)\nprint(at(15_000))\n",
    "exact depth": "def dive(n):\n    global deepest\n    deepest = n\n    dive(n + 1)\n"
    "try: dive(1)\nexcept RecursionError: print(deepest)\n",
    "tracemalloc": "import tracemalloc\ntracemalloc.start()\nx = [bytes(1000) for _ in range(100)]\n"
    "print(tracemalloc.get_traced_memory()[0] > 100_000)\ntracemalloc.stop()\n"
    "print(tracemalloc.is_tracing())\n",
    "garbage collection": "import gc\n"
    "print(gc.isenabled(), gc.get_threshold(), gc.callbacks, gc.get_freeze_count())\n"
    "print(gc.get_debug())\nclass A: pass\na = A(); a.a = a; del a\nprint(gc.collect() > 0)\n",
    "audit hooks": "import sys\nseen = []\nsys.addaudithook(lambda name, _: seen.append(name))\n"
    "open(__file__).close()\nprint('open' in seen)\n",
    "import hooks": "import sys\nclass Finder:\n    def find_spec(self, name, path=None, target=None):\n"
    "        if name.startswith('mine'): print('asked', name)\nsys.meta_path.insert(0, Finder())\n"
    "try: import mine\nexcept ImportError as error: print(error)\n"
    "print(len(sys.meta_path), len(sys.path_hooks))\n",
    "warnings as errors": "import warnings\nwarnings.simplefilter('error')\nopen('x', 'w')\n"
    "print(warnings.filters[0])\n",
    "logging": "import logging\nlogging.basicConfig(level=0, format='%(name)s %(message)s')\n"
    "logging.info('mine')\nprint(logging.root.handlers, sorted(logging.root.manager.loggerDict))\n",
    "locale": "import locale\nprint(locale.setlocale(locale.LC_ALL), locale.getpreferredencoding())\n"
    "print(locale.setlocale(locale.LC_ALL, 'C'), locale.localeconv()['decimal_point'])\n",
    "decimal context": "import decimal\nprint(decimal.getcontext().prec, decimal.getcontext().flags)\n",
    "random seed": "import random\nrandom.seed(5)\nprint(random.random(), hash('x') == hash('x'))\n",
    "working folder": "import os\nos.makedirs('deep', exist_ok=True)\nos.chdir('deep')\n"
    "open('made', 'w').close()\n"
    "print(os.listdir('.'), os.getcwd()[-5:])\n",
    "umask": "import os\nprint(os.umask(0o777))\nopen('made', 'w').close()\n"
    "print(oct(os.stat('made').st_mode))\n",
    "resource limits": "import resource\n"
    "print([resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith('RLIMIT_')])\n",
    "few descriptors": "import os, resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\n"
    "kept = []\n"
    "try:\n    while True: kept.append(os.dup(0))\nexcept OSError as error: print(error, kept)\n",
    "little memory": "import resource\nheld = []\n"
    "size = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
    "resource.setrlimit(resource.RLIMIT_AS, (size + 300_000_000,) * 2)\ntry:\n"
    "    while True: held.append(bytearray(50_000_000))\n"
    "except MemoryError as error: print('no more', error)\n"
    "del held\nprint('went on')\n",
    "no files": "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\nimport signal\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\ntry:\n    with open('x', 'w') as file: file.write('x')\n"
    "except OSError as error: print(error)\n",
    "no core, no time": "import resource, time\nresource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n"
    "print(resource.getrlimit(resource.RLIMIT_CPU))\n",
    "nice": "import os\nprint(os.nice(3), os.sched_getaffinity(0) == os.sched_getaffinity(os.getppid()))\n",
    "ctypes": "import ctypes\nprint(ctypes.CDLL(None).getpid() > 0, ctypes.pythonapi.Py_IsInitialized())\n",
    "weak dictionaries": "import weakref\nclass A: pass\na = A()\nd = weakref.WeakKeyDictionary({a: 1})\n"
    "del a\nprint(len(d))\n",
    "descriptors taken": "import os\nr, w = os.pipe()\n"
    "for target in (3, 50, 200, 201, 202, 203, 204, 205, 210):\n"
    "    os.dup2(w, target)\n    os.write(target, b'x')\nprint(len(os.read(r, 99)))\n",
    "descriptors closed": "import os\nfor each in range(3, 1024):\n    try: os.close(each)\n"
    "    except OSError: pass\n"
    "print(os.dup(1))\nos.closerange(3, 4096)\nprint(os.open('/dev/null', 0))\n",
    "errors of what is guarded": "import os, signal, threading, sys\n"
    "for call in (lambda: os.close(999), lambda: os.dup2(999, 1000), lambda: os.closerange('x', 1),\n"
    "        lambda: os.close(), lambda: os.execv(), lambda: threading.setprofile()):\n"
    "    try: call()\n    except Exception as error: print(repr(error))\nos.close(999)\n",
    "functions that are guarded": "import os, sys, threading\n"
    "for each in (os.close, os.dup2, os.execv, sys.setprofile):\n"
    "    print(each, each.__name__, each.__module__, each.__doc__[:20], callable(each))\n"
    "class A:\n    close = os.close\ntry: A().close(999)\nexcept OSError as error: print(error)\n",
}
USERS = {
    "nobody": "import os\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"
    "print(os.getuid(), os.geteuid())\n",
    "nobody, and back": "import os\nos.seteuid(65534)\nprint(os.geteuid())\nos.seteuid(0)\n",
}


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_neighbour(twins: Twins, source: str) -> None:
    """The program does what it does with plain Python, to the byte."""
    if source is PROGRAMS["exact depth"]:
        twins.profilers = [each for each in ALL if each != "cpu"]  # its handler needs some of the depth
    if source is PROGRAMS["no files"]:
        twins.profilers = [each for each in ALL if each != "memray"]  # it may say that it cannot write
    twins.assert_same_source(source)


@needs_root
@pytest.mark.parametrize("source", USERS.values(), ids=USERS)
def test_program_that_becomes_another_user(twins: Twins, source: str) -> None:
    """A program that gives up its rights ends as it would, and the recording says how it ended."""
    twins.assert_same_source(source)
    shown = twins.show()
    assert shown["status"] in ("complete", "partial")
    assert (shown["outcome"], shown["summary"]["cpu_seconds"] > 0) == ("success", True)


OWN_MEMRAY = """
import memray, os, pathlib
for each in pathlib.Path(".").glob("*.bin"):
    each.unlink()
def held(): return bytearray(5_000_000)
with memray.Tracker("own.bin"):
    kept = held()
    more = [bytes(100) for _ in range(1000)]
reader = memray.FileReader("own.bin")
print(reader.metadata.peak_memory >= 5_000_000)
records = list(reader.get_high_watermark_allocation_records())
print(any("held" == frame[0] for record in records for frame in record.stack_trace()))
with memray.Tracker("second.bin"):
    pass
"""


@with_memray
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="not tried there")
def test_own_memray(twins: Twins) -> None:
    """The program's own Tracker is whole; ours made way, and says so."""
    twins.assert_same_source(OWN_MEMRAY)
    captures = twins.captures()
    status, error = captures.pop("memray")
    assert status == "partial"
    assert error is not None and "uses memray itself" in error
    assert {"complete"} == {status for status, _ in captures.values()}, captures


@with_memray
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os; os.closerange(3, 4096)", "os.closerange"),
        (
            "import os\nfor each in range(3, 1024):\n    try: os.close(each)\n    except OSError: pass",
            "os.close",
        ),
        ("import os; [os.dup2(1, each) for each in range(3, 1024)]", "os.dup2"),
    ],
)
def test_recording_says_that_its_descriptors_were_taken(twins: Twins, source: str, words: str) -> None:
    """The capture that lost its file is partial, can be read, and says why."""
    source = f"kept = bytearray(3_000_000)\n{source}\nimport sys; sys.exit(3)\n"
    assert twins.recorded(twins.write(source)).code == 3
    found = twins.show()
    capture = {each["profiler"]: each for each in found["captures"]}["memray"]
    assert (capture["status"], words in capture["error"]) == ("partial", True), capture
    assert found["summary"]["peak_heap_bytes"] >= 3_000_000
    assert any("program" in row["file"] for row in found["hot"]["memray"])


def test_stack_that_a_program_looks_at(twins: Twins) -> None:
    """A known limit: whoever walks the whole stack finds one frame of the launcher at its end."""
    twins.profilers = ["resources"]
    ran = twins.recorded(
        twins.write("import inspect\nprint([each.filename for each in inspect.stack()][1:])\n")
    )
    assert ran.stdout.count("launch.py") == 1
    assert ran.stdout.count(",") == 0
