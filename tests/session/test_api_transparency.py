"""What is recorded through the Python API behaves, fails and is seen as if it were not."""

from __future__ import annotations

import pytest

from tests.support.twins import ALL, Twins

# Each program runs twice: with the real `profile`, and with one that does nothing.
NOTHING = """
import contextlib, functools, inspect, sys
class profile:
    def __init__(self, *names, **more): pass
    def __enter__(self): return self
    def __exit__(self, *exc): pass
    def __call__(self, function): return function
"""
REAL = "from profilerkit import profile\nimport functools, inspect, sys\n"
CALLS = {
    "a block": "with profile({p}):\n    print(sum(range(1000)))\n",
    "an error in a block": "error = ValueError('x')\ndef f(): raise error\ntry:\n    with profile({p}): f()\n"
    "except ValueError as caught:\n    print(caught is error, caught.__context__)\nwith profile({p}): f()\n",
    "an exit in a block": "with profile({p}): sys.exit(4)\n",
    "an interrupt in a block": "with profile({p}): raise KeyboardInterrupt\n",
    "return and loops": "def f():\n    for n in range(3):\n        with profile({p}):\n"
    "            if n == 1: return n\n"
    "print(f())\nfor n in range(2):\n    with profile({p}): continue\n",
    "a function that fails": "@profile({p})\ndef f(n):\n"
    "    if n: return f.__wrapped__(n - 1) if 0 else g(n)\n"
    "def g(n): raise KeyError(n)\ndef caller(): f(2)\ncaller()\n",
    "a generator that fails": "@profile({p})\ndef f():\n    yield 1\n    raise OSError(2, 'gone')\n"
    "def caller():\n    for each in f(): print(each)\ncaller()\n",
    "a coroutine that fails": "import asyncio\n@profile({p})\nasync def f():\n    await asyncio.sleep(0)\n"
    "    1 / 0\n"
    "async def caller(): await f()\nasyncio.run(caller())\n",
    "an async generator that fails": "import asyncio\n@profile({p})\nasync def f():\n    yield 1\n    1 / 0\n"
    "async def caller():\n    async for each in f(): print(each)\nasyncio.run(caller())\n",
    "a generator closed early": "@profile({p})\ndef f():\n    try:\n        yield 1\n        yield 2\n"
    "    finally: print('closed')\ng = f()\nprint(next(g))\ng.close()\nfor each in f(): break\ndel g\n",
    "throwing into a generator": "@profile({p})\ndef f():\n    while True:\n        try: yield 'y'\n"
    "        except KeyError as e: print('caught', e)\ng = f()\nprint(next(g), g.throw(KeyError('k')))\n"
    "try: g.throw(ValueError('v'))\nexcept ValueError as e: print(e)\nprint(list(g))\n",
    "an async generator closed early": "import asyncio\n@profile({p})\nasync def f():\n    try:\n"
    "        yield 1\n"
    "    finally:\n        await asyncio.sleep(0)\n        print('closed')\nasync def main():\n    g = f()\n"
    "    print(await g.__anext__())\n    await g.aclose()\n    async for each in f(): break\n"
    "asyncio.run(main())\n",
    "cancelling a coroutine": "import asyncio\n@profile({p})\nasync def f():\n"
    "    try: await asyncio.sleep(60)\n"
    "    except asyncio.CancelledError:\n        print('cancelled')\n        raise\nasync def main():\n"
    "    task = asyncio.create_task(f())\n    await asyncio.sleep(0.01)\n    task.cancel()\n"
    "    try: await task\n    except asyncio.CancelledError: print('seen')\nasyncio.run(main())\n",
    "tasks side by side": "import asyncio\n@profile({p})\nasync def f(n):\n"
    "    await asyncio.sleep(0.05 * n)\n    return n\n"
    "async def main(): print(await asyncio.gather(*map(f, range(4))))\nasyncio.run(main())\n",
    "methods": "class A:\n    @profile({p})\n    def m(self, x): return self, x\n    @classmethod\n"
    "    @profile({p})\n"
    "    def c(cls): return cls\n    @staticmethod\n    @profile({p})\n    def s(x): return x\n"
    "    @profile({p})\n    @classmethod\n    def d(cls): return cls\n    @profile({p})\n    @staticmethod\n"
    "    def t(x): return x\n    @property\n    @profile({p})\n    def p(self): return 5\n"
    "a = A()\nprint(a.m(1)[0] is a, A.c() is A, a.s(3), a.d() is A, A.t(4), a.p, A.m.__qualname__)\n",
    "signatures": "@profile({p})\ndef f(a, *, b: int = 2) -> str:\n    'Words.'\n"
    "print(inspect.signature(f), f.__doc__, f.__name__, f.__module__, f.__annotations__)\n",
    "recursion": "@profile({p})\ndef f(n): return n and f(n - 1) + 1\nprint(f(3))\n",
    "nested": "with profile({p}):\n    with profile({p}):\n        print('in')\n    print('out')\n"
    "print('end')\n",
    "one object again and again": "p = profile({p})\nwith p:\n    with p: print(1)\nwith p: print(2)\n",
    "two threads at once": "import threading\nwait = threading.Barrier(2)\ndef work():\n"
    "    with profile({p}):\n"
    "        wait.wait(60)\n    wait.wait(60)\nthreads = [threading.Thread(target=work) for _ in 'ab']\n"
    "[t.start() for t in threads]; [t.join() for t in threads]\nprint(threading.enumerate()[1:])\n",
    "left in another thread": "import threading\np = profile({p})\np.__enter__()\n"
    "t = threading.Thread(target=p.__exit__, args=(None, None, None)); t.start(); t.join()\nprint('left')\n",
    "overlapping": "a, b = profile({p}), profile({p})\na.__enter__(); b.__enter__()\n"
    "a.__exit__(None, None, None)\n"
    "b.__exit__(None, None, None)\nimport os\nprint(os.close, os.execv, sys.setprofile)\n",
    "a fork in a block": "import os\nwith profile({p}):\n    pid = os.fork()\n    if pid == 0:\n"
    "        print('child', flush=True)\nif pid: print(os.waitpid(pid, 0)[1])\nelse: sys.exit(0)\n",
    "a profile in a child": "import os\nwith profile({p}):\n    pid = os.fork()\n    if pid == 0:\n"
    "        with profile({p}): print('child', flush=True)\n        os._exit(3)\n"
    "    print(os.waitpid(pid, 0)[1])\n",
    "never left": "profile({p}).__enter__()\nprint('end')\n",
    "left at exit": "import atexit\np = profile({p})\np.__enter__()\n"
    "atexit.register(p.__exit__, None, None, None)\n",
    "an alarm meanwhile": "import signal, time\nrang = []\n"
    "signal.signal(signal.SIGALRM, lambda *_: rang.append(1))\n"
    "signal.setitimer(signal.ITIMER_REAL, 1.5)\nwith profile({p}): pass\n"
    "print(bool(signal.getitimer(0)[0] or rang))\n"
    "time.sleep(2)\nprint(rang)\n",
    "a handler of SIGCHLD": "import signal, subprocess, time\ngot = []\n"
    "signal.signal(signal.SIGCHLD, lambda *_: got.append(1))\nwith profile({p}): time.sleep(0.2)\n"
    "print(got)\n"
    "with profile({p}): subprocess.run(['true'])\ntime.sleep(0.2)\nprint(got)\n",
    "waiting for any child": "import os\nwith profile({p}):\n    try: os.wait()\n"
    "    except ChildProcessError: print('none')\n",
    "a stack with no frame of ours": "import traceback\ndef f():\n    with profile({p}):\n"
    "        print([each.name for each in traceback.extract_stack()])\nf()\n",
    "a deep stack": "def at(n):\n    if n: return at(n - 1)\n    with profile({p}): return 'deep'\n"
    "print(at(500))\n",
    "hooks of the caller": "seen = []\ndef hook(f, e, a):\n"
    "    if f.f_code.co_name == 'mine': seen.append(e)\n"
    "def mine(): pass\nsys.setprofile(hook)\nwith profile({p}): mine()\nmine()\nsys.setprofile(None)\n"
    "print(seen)\n",
    "a tracer of the caller": "seen = []\ndef hook(f, e, a):\n"
    "    if f.f_code.co_name == 'mine': seen.append(e)\n"
    "    return hook\ndef mine(): pass\nsys.settrace(hook)\nwith profile({p}): mine()\nmine()\n"
    "sys.settrace(None)\n"
    "print(seen)\n",
}


@pytest.mark.parametrize("source", CALLS.values(), ids=CALLS)
def test_as_if_it_were_not_recorded(twins: Twins, source: str) -> None:
    """Values, errors, their tracebacks and the output are those of the code alone."""
    names = ", ".join(f"{each!r}" for each in ALL)
    endings = []
    for name, first in (("plain", NOTHING), ("real", REAL)):
        twins.write(first, f"{name}_profile.py")
        program = twins.write(f"from {name}_profile import *\n" + source.format(p=names))
        endings.append(twins.plain(program))
    plain, real = endings
    assert (plain.code, plain.stdout) == (real.code, real.stdout), real.stderr
    assert plain.stderr == real.stderr.replace("real_profile", "plain_profile")


def test_inside_a_recorded_run(twins: Twins) -> None:
    """A block inside `profilerkit run` leaves the outer recording whole and says what it went without."""
    name = twins.write(
        "import profilerkit\nwith profilerkit.profile('memray', 'resources', name='inner') as recording:\n"
        "    kept = bytearray(2_000_000)\nprint(recording.id)\n"
    )
    ran = twins.recorded(name)
    twins.lab.wait_shipped()
    inner = twins.lab.show(ran.stdout.strip())
    (outer,) = (each for each in twins.lab.list() if each["id"] != inner["id"])
    assert (ran.code, outer["status"]) == (0, "complete"), outer
    captures = {each["profiler"]: (each["status"], each["error"]) for each in inner["captures"]}
    if "memray" in ALL:
        assert captures["memray"] == (
            "skipped",
            "another recording of this process uses sys.setprofile already",
        )
    assert captures["resources"] == ("complete", None)


def test_what_a_signal_handler_raises_is_passed_on(twins: Twins) -> None:
    """A handler that raises while we start or stop is not swallowed, and the recording is ended."""
    name = twins.write(
        """
import os, signal, threading, time
import profilerkit
profilerkit.profile(%s)  # what is imported is imported now: an import is no place for a signal
class Late(Exception):
    pass
def late(*_):
    raise Late
signal.signal(signal.SIGUSR1, late)
caught = 0
for number in range(15):
    timer = threading.Timer(number * 0.01, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        with profilerkit.profile(%s):
            pass
        time.sleep(30)
    except Late:
        caught += 1
    timer.join()
print(caught)
with profilerkit.profile(%s) as last:
    pass
print(last.id)
"""
        % ((", ".join(map(repr, ALL)),) * 3)
    )
    ran = twins.plain(name)
    assert (ran.code, ran.stderr) == (0, "")
    count, last = ran.lines()
    assert count == "15"
    twins.lab.wait_shipped()
    assert {each["status"] for each in twins.lab.show(last)["captures"]} == {"complete"}


def test_timeout_that_is_an_os_error(twins: Twins) -> None:
    """An alarm that raises TimeoutError strikes in the program, not in what we do."""
    name = twins.write("""
import signal, time
import profilerkit
profilerkit.profile("resources")
def late(*_):
    raise TimeoutError("late")
signal.signal(signal.SIGALRM, late)
caught = 0
for number in range(15):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005 + number * 0.01)
        with profilerkit.profile("resources"):
            pass
        time.sleep(5)
    except TimeoutError:
        caught += 1
print(caught, signal.getitimer(signal.ITIMER_REAL))
""")
    ran = twins.plain(name)
    assert (ran.stdout, ran.stderr) == ("15 (0.0, 0.0)\n", "")
