"""However a program ends, it ends the same when it is recorded."""

from __future__ import annotations

import sys

import pytest

from tests.support.twins import Twins

ENDINGS = {
    "normal": "print('done')",
    "exit 3": "import sys; sys.exit(3)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit True": "import sys; sys.exit(True)",
    "exit with words": "import sys; sys.exit('bad thing')",
    "SystemExit": "raise SystemExit(7)",
    "exit with no words": "import sys; sys.exit('')",
    "exit with what has no truth": "class A:\n    def __bool__(self): raise ValueError('ambiguous')\n"
    "    def __str__(self): return '[1 2]'\nimport sys; sys.exit(A())",
    "exit with an int of its own": "class N(int):\n    def __bool__(self): raise ValueError\n"
    "import sys; sys.exit(N(3))",
    "a code that prints": "class Leave(SystemExit):\n    @property\n    def code(self):\n"
    "        print('asked')\n        return 4\nraise Leave",
    "nothing of ours can be imported": "import builtins, sys\nreal = builtins.__import__\n"
    "def only(name, *more, **named):\n"
    "    if name.startswith('profilerkit') or name in ('signal', 'functools', 'atexit', 'resource'):\n"
    "        raise ImportError(name)\n    return real(name, *more, **named)\n"
    "builtins.__import__ = only\nsys.exit(3)",
    "clocks of its own": "import time\ntime.time = time.monotonic = lambda: float('inf')\n"
    "time.perf_counter = time.process_time = lambda: float('nan')\nprint('end')",
    "a hidden warning": "import warnings\ndef f():\n"
    "    warnings.warn('old', DeprecationWarning, stacklevel=3)\nf()",
    "os._exit": "import os; print('last', flush=True); os._exit(9)",
    "exception": "def f(n):\n    if n: f(n - 1)\n    raise ValueError('boom')\nf(3)",
    "chained": "try:\n    {}['x']\nexcept KeyError as error:\n    raise OSError(2, 'gone') from error",
    "context": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    undefined",
    "no context": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise OSError() from None",
    "at top level": "1 / 0",
    "recursion": "def f(): f()\nf()",
    "in a class body": "class A:\n    x = 1 / 0",
    "from C": "import json\njson.loads('{')",
    "from an import": "import broken",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "SIGINT": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass",
    "SIGTERM": "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(9)",
    "SIGKILL": "import os, signal, time\nprint(1, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "import faulthandler\nfaulthandler._sigsegv()",
    "abort": "import os\nos.abort()",
    "exit in a handler": "import os, signal, sys\nsignal.signal(15, lambda *_: sys.exit(4))\n"
    "os.kill(os.getpid(), 15)",
    "error in a handler": "import os, signal\ndef h(*_): 1 / 0\nsignal.signal(15, h)\n"
    "os.kill(os.getpid(), 15)",
    "exit handlers": "import atexit\natexit.register(print, 'first')\n"
    "atexit.register(print, 'second')\n1 / 0",
    "error in an exit handler": "import atexit\n@atexit.register\ndef leave():\n    1 / 0\nprint('end')",
    "exit in an exit handler": "import atexit, sys\natexit.register(sys.exit, 5)",
    "names in exit handlers": "import atexit\natexit.register(lambda: print(sorted(globals())))",
    "names after an error": "import atexit\natexit.register(lambda: print(sorted(globals())))\n1 / 0",
    "names after an exit": "import atexit\natexit.register(lambda: print(sorted(globals())))\nexit(3)",
    "error in a thread": "import threading\ndef work(): 1 / 0\n"
    "threading.Thread(target=work, name='w').start()",
    "exit in a thread": "import sys, threading\nthreading.Thread(target=sys.exit, args=(3,)).start()",
    "thread outlives main": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(.3), print('late'))).start()\n1 / 0",
    "daemon thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "unraisable": "class A:\n    def __del__(self): 1 / 0\na = A()\ndel a",
    "__del__ at exit": "class A:\n    def __del__(self): print('deleted', __name__)\na = A()\nb = [a]",
    "finalizers at exit": "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalized')",
    "excepthook": "import sys, traceback\ndef hook(kind, value, trace):\n"
    "    print('HOOK', kind, value, [each.name for each in traceback.extract_tb(trace)])\n"
    "    print(sys.last_traceback is trace, sys.excepthook is hook)\n"
    "    print(len(traceback.extract_stack()))\n"
    "sys.excepthook = hook\ndef f(): 1 / 0\nf()",
    "error in excepthook": "import sys\ndef hook(*_): [][1]\nsys.excepthook = hook\n1 / 0",
    "exit in excepthook": "import sys\nsys.excepthook = lambda *_: sys.exit(6)\n1 / 0",
    "sys.last_traceback": "import atexit, sys, traceback\n"
    "atexit.register(lambda: traceback.print_tb(sys.last_traceback))\ndef f(): 1 / 0\nf()",
    "warnings": "import warnings\ndef f(): warnings.warn('old', stacklevel=2)\nf(); f()\n"
    "warnings.warn('deprecated', DeprecationWarning)",
    "long traceback": "class Long(Exception):\n    def __str__(self): return 'x' * 100_000\nraise Long",
    "exception without words": "class Bad(Exception):\n    def __str__(self): raise ValueError\nraise Bad",
    "surrogates": "raise ValueError('\\udce9')",
    "stderr replaced": "import io, sys\nsys.stderr = io.StringIO()\n1 / 0",
    "stderr closed": "import sys\nsys.stderr.close()\n1 / 0",
    "stdout closed": "import sys\nprint('x')\nsys.stdout.close()",
    "stdout broken": "import os, sys\nprint('x')\nos.close(1)",
}


@pytest.mark.parametrize("source", ENDINGS.values(), ids=ENDINGS)
def test_ending(twins: Twins, source: str) -> None:
    """Exit code, signal, output and tracebacks are those of plain Python."""
    twins.write("def f():\n    raise ImportError('not today')\nf()\n", "broken.py")
    twins.assert_same_source(source + "\n")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with 3.11")
def test_exception_groups(twins: Twins) -> None:
    """Groups, notes and their tracebacks look as they do in plain Python."""
    twins.assert_same_source("""
def f(error):
    raise error
def collect():
    errors = []
    for each in (ValueError("a"), TypeError("b")):
        try:
            f(each)
        except Exception as error:
            error.add_note("a note")
            errors.append(error)
    return errors
raise ExceptionGroup("several", [*collect(), ExceptionGroup("inner", collect())])
""")


def test_asyncio_ends_by_sigint(twins: Twins) -> None:
    """Ctrl-C under asyncio.run cancels, cleans up, and ends by the signal."""
    ran = twins.assert_same_source("""
import asyncio, os, signal
async def main():
    try:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)
    finally:
        print("cleaned up")
asyncio.run(main())
""")
    assert ran.code == -2
    assert ran.stdout == "cleaned up\n"


def test_shell_sees_128_and_the_signal(twins: Twins) -> None:
    """A shell reports a recorded program's signal as it does for a plain one."""
    name = twins.write("import os\nos.kill(os.getpid(), 15)\n")
    command = " ".join([*twins.recorded_command(name), ";", "echo", "$?"])
    ran = twins._run(["sh", "-c", command])
    assert ran.stdout == "143\n"


def test_last_line_says_what_was_recorded(twins: Twins) -> None:
    """Without -q one line on the standard error ends with the command that shows the recording."""
    name = twins.write("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)\n")
    ran = twins.recorded(name, options=())
    assert (ran.code, ran.stdout) == (3, "out\n")
    first, last = ran.stderr.splitlines()
    assert first == "err"
    recording = twins.show()["id"]
    assert last == f"profilerkit: recorded {recording}. See it: profilerkit show {recording}"
