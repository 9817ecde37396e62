"""Programs that fork, spawn, execute, wait and daemonize do so undisturbed."""

from __future__ import annotations

import sys

import pytest

from tests.support.twins import Ran, Twins

PROGRAMS = {
    "fork and wait": "import os, sys\npid = os.fork()\nif pid == 0: sys.exit(5)\n"
    "print(os.waitstatus_to_exitcode(os.wait()[1]))\ntry: os.wait()\n"
    "except ChildProcessError: print('no other child')\n",
    "wait before any child": "import os\nfor wait in (os.wait, lambda: os.waitpid(-1, os.WNOHANG)):\n"
    "    try: print(wait())\n    except ChildProcessError as error: print(error)\n",
    "error in a forked child": "import os\npid = os.fork()\nif pid == 0: 1 / 0\nos.waitpid(pid, 0)\n",
    "exit handlers in a child": "import atexit, os, sys\natexit.register(lambda: print('left', flush=True))\n"
    "if os.fork() == 0: sys.exit(2)\nprint(os.wait()[1] >> 8, flush=True)\n",
    "child outlives": "import os, time\nif os.fork() == 0:\n    time.sleep(0.5)\n"
    "    print('later', flush=True)\n"
    "    os._exit(0)\nprint('parent', flush=True)\n",
    "many forks": "import os\nfor _ in range(30):\n    if os.fork() == 0: os._exit(_)\n"
    "print(sorted(os.wait()[1] >> 8 for _ in range(30)))\n",
    "fork in a thread": "import os, threading\ndef work():\n    pid = os.fork()\n"
    "    if pid == 0: os._exit(3)\n"
    "    print(os.waitpid(pid, 0)[1])\nthread = threading.Thread(target=work)\n"
    "thread.start(); thread.join()\n",
    "at-fork hooks": "import os, time\nos.register_at_fork(before=lambda: print('before', flush=True),\n"
    "    after_in_parent=lambda: print('parent', flush=True),\n"
    "    after_in_child=lambda: time.sleep(0.3) or print('child', flush=True))\n"
    "if os.fork() == 0: os._exit(0)\nos.wait()\n",
    "fork twice": "import os\nif os.fork() == 0:\n    if os.fork() == 0: os._exit(4)\n"
    "    os._exit(os.wait()[1] >> 8)\nprint(os.wait()[1] >> 8)\n",
    "forkpty": "import os, pty\npid, fd = pty.fork()\nif pid == 0:\n    print('in the pty')\n"
    "    os._exit(0)\n"
    "got = b''\nwhile not got.endswith(b'\\n'): got += os.read(fd, 99)\nprint(got); os.wait()\n",
    "subprocess": "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'import sys, os\\n'\n"
    "    'print(sys.argv, sorted(os.environ) == sorted(os.environ), os.listdir(\"/proc/self/fd\"))'],\n"
    "    capture_output=True, text=True, close_fds=False))\n",
    "preexec_fn": "import os, subprocess\nsubprocess.run(['echo', 'x'], preexec_fn=lambda: os.nice(1))\n"
    "subprocess.run(['sh', '-c', 'echo $PPID'], preexec_fn=os.setsid, stdout=subprocess.DEVNULL)\n",
    "popen and wait for all": "import os, subprocess\n"
    "children = [subprocess.Popen(['sleep', '0.1']) for _ in 'ab']\n"
    "print(sorted(os.wait()[0] in {c.pid for c in children} for _ in children))\n",
    "system and popen": "import os\nprint(os.system('exit 3') >> 8, os.popen('echo y').read())\n",
    "posix_spawn": "import os\npid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 6'], os.environ)\n"
    "print(os.waitpid(pid, 0)[1] >> 8)\n",
    "exec true": "import os\nprint('before', flush=True)\nos.execv('/bin/true', ['true'])\n",
    "exec python": "import os, sys\nprint('before', flush=True)\n"
    "os.execv(sys.executable, [sys.executable, '-c', 'import sys; print(sys.orig_argv[1:]); sys.exit(7)'])\n",
    "exec with a handler": "import atexit, os\natexit.register(print, 'never')\n"
    "os.execlp('sh', 'sh', '-c', 'exit 2')\n",
    "exec that fails": "import os\n"
    "for call in (lambda: os.execv('/nosuch', ['x']), lambda: os.execvp('nosuch', ['x']),\n"
    "        lambda: os.execve('/bin/true', [], {}), lambda: os.execv(1, 2)):\n"
    "    try: call()\n    except Exception as error: print(type(error), error)\nos.execv('/nosuch', ['x'])\n",
    "exec in a child": "import os\nif os.fork() == 0: os.execvp('true', ['true'])\nprint(os.wait()[1])\n",
    "re-exec itself once": "import os, sys\nprint(sys.argv, flush=True)\n"
    "if len(sys.argv) < 2: os.execv(sys.executable, [sys.executable, *sys.argv, 'again'])\n",
    "signals of a child": "import os, signal, time\npid = os.fork()\nif pid == 0: time.sleep(60)\n"
    "os.kill(pid, signal.SIGKILL)\nprint(os.waitpid(pid, 0)[1])\n",
    "rusage of children": "import os, resource\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime < 1)\n",
    "multiprocessing": "import multiprocessing as m\ndef square(x): return x * x\n"
    "if __name__ == '__main__':\n    for kind in ('spawn', 'fork', 'forkserver'):\n"
    "        with m.get_context(kind).Pool(2) as pool: print(kind, pool.map(square, range(4)))\n"
    "    p = m.Process(target=square, args=(2,)); p.start(); p.join()\n"
    "    print(p.exitcode, m.active_children())\n",
    "multiprocessing fails": "import multiprocessing as m\ndef fail(): raise ValueError('in a child')\n"
    "if __name__ == '__main__':\n    for kind in ('fork', 'spawn'):\n"
    "        p = m.get_context(kind).Process(target=fail, name='p'); p.start(); p.join()\n"
    "        print(p.exitcode)\n",
    "executor": "from concurrent.futures import ProcessPoolExecutor\nclass Thing:\n"
    "    def __init__(self, n): self.n = n\n"
    "def work(thing): return Thing(thing.n + 1)\n"
    "if __name__ == '__main__':\n    with ProcessPoolExecutor(2) as pool:\n"
    "        print([each.n for each in pool.map(work, map(Thing, range(5)))])\n"
    "        print(type(pool.submit(work, Thing(1)).result()))\n",
    "pickling of __main__": "import pickle, sys\nclass A: x = 1\ndef f(): pass\n"
    "print(pickle.dumps([A, f, A()], 0))\n"
    "print(pickle.loads(pickle.dumps(A)) is A, A.__module__, f.__module__)\n",
    "shared memory": "from multiprocessing import shared_memory, resource_tracker\n"
    "s = shared_memory.SharedMemory(create=True, size=10)\ns.buf[0] = 3\n"
    "print(s.buf[0]); s.close(); s.unlink()\n",
    "asyncio subprocess": "import asyncio\nasync def main():\n"
    "    p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=-1)\n"
    "    print(await p.communicate(), p.returncode)\n"
    "asyncio.run(main())\n",
    "os._exit in a child": "import os\npid = os.fork()\nif pid == 0:\n    print('lost')\n    os._exit(1)\n"
    "print(os.waitpid(pid, 0)[1])\n",
}
WARNINGS = {
    "fork": "import os\nif os.fork() == 0: os._exit(0)\nprint(os.wait()[1])\n",
    "fork and warn again": "import os, warnings\ndef warn(): warnings.warn('once')\n"
    "for _ in range(3):\n    warn()\n    if os.fork() == 0: os._exit(0)\n    os.wait()\n",
    "fork with threads": "import os, threading\nstop = threading.Event()\n"
    "threading.Thread(target=stop.wait).start()\ntry:\n    pid = os.fork()\n    if pid == 0: os._exit(0)\n"
    "    os.wait()\nexcept DeprecationWarning: print('warned')\nfinally: stop.set()\n",
    "filters set later": "import os, warnings\nfor _ in range(2):\n    warnings.simplefilter('error')\n"
    "    if os.fork() == 0: os._exit(0)\n    os.wait()\nwarnings.resetwarnings()\n"
    "warnings.simplefilter('error')\nif os.fork() == 0: os._exit(0)\nos.wait()\nprint('quiet')\n",
    "recorded": "import os, warnings\nwith warnings.catch_warnings(record=True) as found:\n"
    "    warnings.simplefilter('always')\n    if os.fork() == 0: os._exit(0)\n    os.wait()\nprint(found)\n",
    "threads in the child": "import os, threading, warnings\nif os.fork() == 0:\n"
    "    stop = threading.Event()\n"
    "    threading.Thread(target=stop.wait).start()\n    warnings.simplefilter('always')\n"
    "    if os.fork() == 0: os._exit(0)\n    os.wait(); stop.set()\n    os._exit(0)\nprint(os.wait()[1])\n",
}


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_program_with_processes(twins: Twins, source: str) -> None:
    """Output, children, exit codes and errors are those of plain Python."""
    twins.assert_same_source(_without_pids(source))


@pytest.mark.parametrize("source", WARNINGS.values(), ids=WARNINGS)
@pytest.mark.parametrize("option", ["default", "error"])
def test_warnings_of_threads_in_a_fork(twins: Twins, source: str, option: str) -> None:
    """Python 3.12 and later warn of the program's threads in a fork, and never of ours."""
    text = twins.assert_same_source(_without_pids(source), interpreter=["-W", option])
    assert "profilerkit" not in text.stderr


def _without_pids(source: str) -> str:
    """Return a program whose warnings do not show its process id."""
    show = "import warnings as w\nold = w.formatwarning\nimport re\n"
    return f"{show}w.formatwarning = lambda *a, **k: re.sub(r'pid=\\d+', 'pid', old(*a, **k))\n{source}"


DAEMON = """
import os, sys, time, resource
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.chdir("/")
os.umask(0)
{close}
for each in (0, 1, 2):
    os.open(os.devnull, os.O_RDWR)
with open(sys.argv[1], "w") as file:
    print(sorted(os.listdir("/proc/self/fd")), os.getcwd(), os.umask(0o22), file=file)
os.rename(sys.argv[1], sys.argv[1] + ".ready")
"""
CLOSINGS = {
    "closerange": "os.closerange(0, 4096)",
    "one by one": "for each in range(2048):\n    try: os.close(each)\n    except OSError: pass",
    "all there are": "for each in os.listdir('/proc/self/fd'):\n    try: os.close(int(each))\n"
    "    except OSError: pass",
}


@pytest.mark.parametrize("close", CLOSINGS.values(), ids=CLOSINGS)
def test_daemon(twins: Twins, close: str) -> None:
    """A program that becomes a daemon, as the books have it, is the same daemon."""
    name = twins.write(DAEMON.format(close=close))
    answers = []
    for run in (twins.plain, twins.recorded):
        answer = twins.lab.folder / f"answer-{len(answers)}"
        assert run(name, str(answer)) == Ran(0, "", "")
        ready = answer.with_name(f"{answer.name}.ready")
        twins.lab.wait_until(ready.exists)
        answers.append(ready.read_text())
    assert answers[0] == answers[1]


def test_recording_of_a_program_that_executes_another(twins: Twins) -> None:
    """The recording says that another program took the process, and what ended there."""
    twins.recorded(twins.write("import os, time\ntime.sleep(0.3)\nos.execvp('sleep', ['sleep', '3'])\n"))
    found = twins.show()
    assert "executed another program" in str(found["warnings"]), found
    for each in found["captures"]:
        assert each["profiler"] == "resources" or "executed another program" in each["error"], each
    assert found["evidence"], found


def test_recording_of_a_program_that_leaves_without_goodbye(twins: Twins) -> None:
    """`os._exit` is told from a kill where the kernel tells, and what was captured is there."""
    twins.recorded(twins.write("import os, time\ntime.sleep(1)\nos._exit(9)\n"))
    found = twins.show()
    assert found["status"] == "interrupted"
    assert any(each["kind"] == "silent_end" for each in found["evidence"]), found["evidence"]
    assert len(found["captures"]) == len(twins.profilers)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_no_zombie_and_no_stranger_among_the_children(twins: Twins) -> None:
    """The program has no child that it did not make, at any time."""
    twins.assert_same_source("""
import os, time
for _ in range(20):
    time.sleep(0.05)
    children = open(f"/proc/self/task/{os.getpid()}/children").read()
    assert not children, children
print("alone")
""")
