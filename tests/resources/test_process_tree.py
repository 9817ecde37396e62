"""Test what is recorded of a process and its descendants, however they come and go."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from profilerkit.reading import Reading

from .conftest import RunProgram

MIB = 1 << 20

HOLDING_CHILD = '''
CHILD = """
import sys
block = bytearray(int(sys.argv[1]) << 20)
with open("/proc/self/status") as file:
    print(next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS")), flush=True)
sys.stdin.readline()
"""

def child(mebibytes):
    "Return a child that holds memory, and what it says it uses."
    arguments = [sys.executable, "-c", CHILD, str(mebibytes)]
    started = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return started, int(started.stdout.readline())
'''


def values(reading: Reading, name: str) -> Sequence[float]:
    """Return the values of one timeline."""
    return next(each.values for each in reading.timelines if each.name == name)


def test_four_children_that_hold_memory_at_once_are_added_up(run: RunProgram) -> None:
    """The peak of the tree is the sum of what each process says of itself at that moment."""
    program = run(
        HOLDING_CHILD
        + """
step("start")
children = [child(mebibytes) for mebibytes in (40, 80, 120, 160)]
truth = rss() + sum(each[1] for each in children)
time.sleep(1.0)
step(truth)
"""
    )
    (truth_bytes,) = program.next_step()
    program.stop_recording()
    reading = program.reading()
    assert reading.summary["peak_rss_bytes"] == pytest.approx(truth_bytes, rel=0.05)
    assert reading.summary["peak_rss_process_bytes"] == pytest.approx(170 * MIB, rel=0.1)
    assert reading.summary["peak_processes"] == 5
    assert len(reading.spans) == 5
    assert any("count once for each" in note for note in reading.notes)


def test_children_one_after_another_are_not_added_up(run: RunProgram) -> None:
    """The peak of the tree is of one time: what was given back before does not count."""
    program = run(
        HOLDING_CHILD
        + """
step("start")
most = 0
for _ in range(4):
    started, used = child(150)
    most = max(most, used)
    time.sleep(0.5)
    started.communicate("")
step(most + rss())
""",
        interval_seconds=0.05,
    )
    (truth_bytes,) = program.next_step()
    program.stop_recording()
    assert program.reading().summary["peak_rss_bytes"] == pytest.approx(truth_bytes, rel=0.05)


def test_pages_that_forked_children_share_are_told_apart(run: RunProgram) -> None:
    """RSS counts a page once for each process that has it; PSS counts it once."""
    program = run(
        """
step("start")
block = bytearray(100 << 20)
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    children.append(pid)
time.sleep(1.5)
step("all there")
for pid in children:
    os.kill(pid, signal.SIGKILL)
"""
    )
    program.next_step()
    program.stop_recording()
    program.go_on()
    program.wait()
    summary = program.reading().summary
    assert (summary["peak_rss_bytes"] or 0) > 400 * MIB
    assert 100 * MIB < (summary["peak_pss_bytes"] or 0) < 150 * MIB


def test_starting_small_programs_does_not_double_a_large_one(run: RunProgram) -> None:
    """A child between fork and exec has its parent's memory, and is not counted with it."""
    program = run(
        """
step("start")
block = bytearray(300 << 20)
peak_bytes = kernel_peak()
for index in range(400):
    if index % 2:
        subprocess.run(["true"])
    else:
        pid = os.fork()
        if pid == 0:
            os.execvp("true", ["true"])
        os.waitpid(pid, 0)
step(peak_bytes)
""",
        interval_seconds=0.02,
    )
    (peak_bytes,) = program.next_step()
    program.stop_recording()
    assert program.reading().summary["peak_rss_bytes"] == pytest.approx(peak_bytes, rel=0.1)


def test_cpu_time_of_children_that_were_never_seen_is_counted(run: RunProgram) -> None:
    """The time of reaped children is in their parent's account, however short they lived."""
    program = run(
        """
step("start")
burner = "import time\\nwhile time.process_time() < 0.06: pass"
for _ in range(10):
    subprocess.run([sys.executable, "-c", burner])
step(sum(os.times()[:4]))
""",
        interval_seconds=60.0,
    )
    (cpu_seconds,) = program.next_step()
    program.stop_recording()
    assert cpu_seconds > 0.6
    assert program.reading().summary["cpu_seconds"] == pytest.approx(cpu_seconds, rel=0.05)


def test_cpu_time_of_reaped_children_is_counted_once(run: RunProgram) -> None:
    """A child that was seen, and is then in its parent's account, counts once."""
    program = run(
        """
step("start")
burner = "import time\\nwhile time.process_time() < 0.3: pass"
children = [subprocess.Popen([sys.executable, "-c", burner]) for _ in range(3)]
for each in children:
    each.wait()
time.sleep(0.3)
step(sum(os.times()[:4]))
""",
        interval_seconds=0.05,
    )
    (cpu_seconds,) = program.next_step()
    program.stop_recording()
    assert program.reading().summary["cpu_seconds"] == pytest.approx(cpu_seconds, rel=0.08)


def test_cpu_time_of_children_that_nobody_waits_for_is_not_lost(run: RunProgram) -> None:
    """Where SIGCHLD is ignored the kernel drops the account of children; what was seen is kept."""
    program = run(
        """
step("start")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        burn(1.0)
        os._exit(0)
    while True:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            break
time.sleep(0.3)
step(sum(os.times()[:4]))
""",
        interval_seconds=0.05,
    )
    (own_seconds,) = program.next_step()
    program.stop_recording()
    assert own_seconds < 0.5
    assert own_seconds + 1.3 < (program.reading().summary["cpu_seconds"] or 0) < own_seconds + 2.2


def test_a_daemon_that_was_seen_stays_in_the_tree(run: RunProgram) -> None:
    """A process whose parent has ended belongs to init, and still to the recording."""
    program = run(
        """
step("start")
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    daemon = os.fork()
    if daemon == 0:
        time.sleep(1.1)
        block = bytearray(120 << 20)
        burn(0.3)
        os.write(writer, b"full")
        time.sleep(60)
    time.sleep(1.0)
    os.write(writer, b"%08d" % daemon)
    os._exit(0)
pid = int(os.read(reader, 8))
os.wait()
os.read(reader, 4)
time.sleep(0.6)
step(pid)
os.kill(pid, signal.SIGKILL)
""",
        interval_seconds=0.05,
    )
    program.next_step()
    program.stop_recording()
    program.go_on()
    program.wait()
    reading = program.reading()
    assert values(reading, "rss")[-1] > 120 * MIB
    assert (reading.summary["cpu_seconds"] or 0) > 0.25


def test_descendants_outlive_the_recorded_process(run: RunProgram) -> None:
    """When the recorded process is killed, those that it has started are seen until the end."""
    program = run(
        """
step("start")
holder = "import time; block = bytearray(100 << 20); print(flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE)
child.stdout.readline()
time.sleep(0.5)
step(child.pid)
""",
        interval_seconds=0.05,
    )
    (child,) = program.next_step()
    program.process.kill()
    program.wait()
    program.stop_recording()
    os.kill(child, signal.SIGKILL)
    assert values(program.reading(), "rss")[-1] > 100 * MIB


def test_threads_of_children_are_no_processes(run: RunProgram) -> None:
    """The ids of threads come from the same numbers as those of processes, and are told apart."""
    program = run(
        """
step("start")
starter = '''
import threading, time
for _ in range(15):
    threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(0.1)
print(flush=True)
'''
child = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE)
child.stdout.readline()
step("all there")
child.kill()
""",
        interval_seconds=0.05,
    )
    program.next_step()
    program.stop_recording()
    program.go_on()
    program.wait()
    summary = program.reading().summary
    assert (summary["peak_threads"], summary["peak_processes"]) == (17, 2)


def test_a_tree_of_several_generations_is_found(run: RunProgram) -> None:
    """Children of children belong to the tree, with their commands and never their arguments."""
    program = run(
        """
step("start")
script = "sleep 30 & sleep 30 & wait # secret-argument"
shell = subprocess.Popen(["sh", "-c", script], start_new_session=True)
time.sleep(0.6)
step("all there")
os.killpg(shell.pid, signal.SIGKILL)
""",
        interval_seconds=0.05,
    )
    program.next_step()
    program.stop_recording()
    program.go_on()
    program.wait()
    reading = program.reading()
    assert sorted(each.name for each in reading.spans)[-3:] == ["sh", "sleep", "sleep"]
    assert b"secret-argument" not in (program.folder / "resources.jsonl").read_bytes()
