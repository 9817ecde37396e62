"""Programs that use what a profiler might disturb do what they do without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cpu_recording import Program, functions, record

UNTOUCHED = {
    "its own SIGPROF timer": """
import signal
count = [0]
signal.signal(signal.SIGPROF, lambda *_: count.__setitem__(0, count[0] + 1))
signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
while count[0] < 5: spin(0.01)
signal.setitimer(signal.ITIMER_PROF, 0)
print("ok")
""",
    "a timeout by SIGALRM": """
import signal
class Timeout(Exception): pass
def expire(*_): raise Timeout
signal.signal(signal.SIGALRM, expire)
for _ in range(40):
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    try:
        while True: spin(0.001)
    except Timeout: pass
print("ok")
""",
    "an interrupt by the keyboard": """
import os, signal
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True: spin(0.01)
except KeyboardInterrupt:
    print("ok")
""",
    "asyncio with signal handlers": """
import asyncio, os, signal
async def main():
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, done.set)
    spin(2.0)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(done.wait(), 5)
asyncio.run(main())
print("ok")
""",
    "a fork": """
import os
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        spin(0.05)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    spin(0.02)
print("ok")
""",
    "multiprocessing": """
import multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    process = context.Process(target=spin, args=(0.1,))
    process.start(); process.join()
    assert process.exitcode == 0
    print("ok")
""",
    "all descriptors closed": """
import os
for _ in range(30):
    os.closerange(3, 200)
    with open(__import__("tempfile").gettempdir() + "/closerange-" + str(os.getpid()), "w+") as file:
        file.write("mine"); spin(0.02); file.seek(0)
        assert file.read() == "mine"
os.unlink(file.name)
print("ok")
""",
    "the random module": """
import random
random.seed(1)
spin(0.2)
before = random.random()
random.seed(1)
print("ok" if before == random.random() else "moved")
""",
    "the garbage collector off": """
import gc
gc.disable(); spin(0.3)
assert not gc.isenabled()
gc.enable(); spin(0.3); doze(0.1)
print("ok" if gc.isenabled() else "disabled")
""",
    "finalizers on the main thread": """
import threading
main, elsewhere = threading.get_ident(), []
class Node:
    def __init__(self): self.me = self
    def __del__(self):
        if threading.get_ident() != main: elsewhere.append(1)
end = time.perf_counter() + 1.5
while time.perf_counter() < end: Node()
print("ok" if not elsewhere else len(elsewhere))
""",
    "a recursion without end": """
def descend(depth): return descend(depth + 1) + 1
caught = 0
for _ in range(300):
    try: descend(0)
    except RecursionError: caught += 1
print("ok" if caught == 300 else caught)
""",
    "signals that are all reset": """
import signal
for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try: signal.signal(each, signal.SIG_DFL)
    except (OSError, ValueError): pass
spin(0.3)
print("ok")
""",
    "a frozen clock": """
import time as clock
real, clock.monotonic, clock.time = clock.monotonic, lambda: 1.0, lambda: 1.0
spin(0.3)
clock.monotonic = real
print("ok")
""",
    "no memory to spare": """
import resource
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
caught = 0
for _ in range(100):
    try: bytearray(1 << 30)
    except MemoryError: caught += 1
    spin(0.002)
print("ok" if caught == 100 else caught)
""",
    "a descriptor limit of nothing": """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
spin(0.5)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
print("ok")
""",
}


@pytest.mark.parametrize("what", UNTOUCHED)
def test_program_is_unchanged(tmp_path: Path, what: str) -> None:
    """The program ends as it would, prints what it would, and was recorded."""
    recorded = record(tmp_path, UNTOUCHED[what])
    assert recorded.stdout == "ok\n"
    assert recorded.raw["complete"] is True


def test_another_program_in_its_place(tmp_path: Path) -> None:
    """A program that executes another lives on as that one: no timer of ours ends it."""
    source = (
        "import os, sys\nspin(0.4)\n"
        "code = 'import time\\nend = time.time() + 0.6\\nwhile time.time() < end: pass\\nprint(\"ok\")'\n"
        "os.execv(sys.executable, [sys.executable, '-c', code])\n"
    )
    recorded = Program(tmp_path, source).end()
    assert (recorded.returncode, recorded.stdout, recorded.stderr) == (0, "ok\n", "")
    assert recorded.seconds("cpu", "spin") > 0.05


def test_daemon_lives_on(tmp_path: Path) -> None:
    """A program that becomes a daemon goes on in its child, unrecorded and unharmed."""
    source = (
        "import os\nread, write = os.pipe()\nspin(0.3)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        spin(0.3)\n        os.write(write, b'daemon')\n"
        "    os._exit(0)\n"
        "print(os.read(read, 10).decode())\n"
    )
    assert record(tmp_path, source).stdout == "daemon\n"


def test_program_that_handles_our_signal(tmp_path: Path) -> None:
    """Where the program has the signal from the beginning, it stays the program's."""
    source = (
        "import signal\n"
        "signal.signal(signal.SIGURG, lambda *_: print('mine'))\n"
        "profiler.start(folder, target)\nspin(0.4)\n"
        "signal.raise_signal(signal.SIGURG)\nprofiler.stop()\n"
        "signal.raise_signal(signal.SIGURG)\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.stdout == "mine\nmine\n"
    assert "handles SIGURG itself" in recorded.notes
    assert recorded.seconds("cpu", "spin") > 0.1


def test_program_that_takes_our_signal(tmp_path: Path) -> None:
    """Where the program takes the signal later, ticks end, looks go on, and a note says so."""
    source = (
        "import signal\nspin(0.2)\n"
        "calls = []\nsignal.signal(signal.SIGURG, lambda *_: calls.append(1))\n"
        "def afterwards(): spin(0.6)\n"
        "afterwards()\nprofiler.stop()\n"
        "few = len(calls)\nsignal.raise_signal(signal.SIGURG)\nprint(few < 20, len(calls) - few)\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.stdout == "True 1\n"
    assert "set its own handler of SIGURG" in recorded.notes
    assert recorded.seconds("cpu", "afterwards") > 0.2


@pytest.mark.parametrize("setter", ["sys.setprofile", "sys.settrace"])
def test_hooks_of_the_program_see_its_calls(tmp_path: Path, setter: str) -> None:
    """A hook of the program's own sees every call of it, and hardly one of ours."""
    source = (
        "import sys\nseen = []\n"
        "def hook(frame, event, argument):\n"
        "    if event == 'call': seen.append((frame.f_code.co_name, frame.f_code.co_filename))\n"
        "def called(): pass\n"
        f"{setter}(hook)\n"
        "for _ in range(200_000): called()\n"
        f"{setter}(None)\n"
        "names = [name for name, _ in seen]\n"
        "ours = [file for _, file in seen if 'profilerkit' in file]\n"
        "print(names.count('called'), len(ours) <= 1)\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.stdout == "200000 True\n"
    assert "hook of its own" in recorded.notes


def test_wakeup_descriptor_gets_at_most_one_byte_of_ours(tmp_path: Path) -> None:
    """A program that has its signals written to a descriptor does not find it filled."""
    source = (
        "import os, signal\nread, write = os.pipe()\n"
        "os.set_blocking(write, False); os.set_blocking(read, False)\n"
        "signal.set_wakeup_fd(write)\nspin(0.5)\n"
        "print(len(os.read(read, 1000)) <= 1, signal.set_wakeup_fd(-1) == write)\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.stdout == "True True\n"
    assert "set_wakeup_fd" in recorded.notes


def test_beside_memray(tmp_path: Path) -> None:
    """With memray tracking in the same process both see the functions, and ticks go on."""
    pytest.importorskip("memray")
    source = (
        "import memray\n"
        "def allocate(): return [bytearray(1000) for _ in range(2000)]\n"
        "with memray.Tracker(str(folder.parent / 'memray.bin')):\n"
        "    end = time.perf_counter() + 0.6\n"
        "    while time.perf_counter() < end: allocate()\n"
        "reader = memray.FileReader(str(folder.parent / 'memray.bin'))\n"
        "records = reader.get_high_watermark_allocation_records(merge_threads=True)\n"
        "best = max(records, key=lambda each: each.size)\n"
        "print(any(name == 'allocate' for name, *_ in best.stack_trace()))\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.stdout == "True\n"
    assert recorded.notes == ""
    assert "allocate" in functions(recorded.reading)


def test_greenlets_keep_their_stacks(tmp_path: Path) -> None:
    """A program that switches between greenlets is unchanged and seen in each."""
    pytest.importorskip("greenlet")
    source = (
        "import greenlet\n"
        "def one():\n    while True:\n        spin(0.005)\n        main.switch()\n"
        "main, worker = greenlet.getcurrent(), greenlet.greenlet(one)\n"
        "for _ in range(60): worker.switch()\nprint('ok')\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.stdout == "ok\n"
    assert recorded.seconds("cpu", "one") > 0.1
