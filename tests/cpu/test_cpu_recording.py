"""What a recording holds: functions, threads, waits, and what a kill leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from cpu_recording import Program, functions, record, self_seconds


def test_busy_and_waiting_functions(tmp_path: Path) -> None:
    """CPU time goes to the function that computes, wall time to the one that waits as well."""
    recorded = record(tmp_path, "for _ in range(20):\n    spin(0.02)\n    doze(0.03)\n")
    assert recorded.seconds("cpu", "spin") > 10 * recorded.seconds("cpu", "doze")
    assert recorded.seconds("wall", "doze") > 0.5 * 20 * 0.03
    assert recorded.seconds("wall", "spin") > recorded.seconds("wall", "doze") / 4


def test_short_bursts_between_waits(tmp_path: Path) -> None:
    """Bursts that are over before another thread gets the GIL are seen all the same."""
    recorded = record(tmp_path, "for _ in range(400):\n    spin(0.002)\n    doze(0.001)\n")
    assert recorded.seconds("cpu", "spin") > 0.7 * recorded.reading.summary["main_thread_cpu_seconds"]


def test_c_calls_belong_to_their_caller(tmp_path: Path) -> None:
    """Time in C code that keeps the GIL, and in C code that does not, is the caller's."""
    source = (
        "import hashlib\ndata = bytes(1 << 25)\n"
        "def hold(): sum(range(1_000_000))\ndef release(): hashlib.sha256(data)\n"
        "for _ in range(8):\n    hold()\n    release()\n    spin(0.01)\n"
    )
    recorded = record(tmp_path, source)
    cpu = {name: recorded.seconds("cpu", name) for name in ("hold", "release", "spin")}
    assert min(cpu["hold"], cpu["release"]) > cpu["spin"] / 4
    assert recorded.notes == ""


def test_the_sums_are_the_clocks(tmp_path: Path) -> None:
    """All stacks of the main thread together are its CPU time, and its wall time."""
    recorded = record(tmp_path, "for _ in range(10):\n    spin(0.03)\n    doze(0.02)\n")
    reading = recorded.reading
    cpu, wall = (sum(self_seconds(reading, metric).values()) for metric in ("cpu", "wall"))
    assert cpu == pytest.approx(reading.summary["main_thread_cpu_seconds"], rel=0.02)
    assert wall == pytest.approx(reading.summary["wall_seconds"], rel=0.1)


def test_one_thread_has_no_frame_of_its_own(tmp_path: Path) -> None:
    """With one thread, the outermost frames are the program's."""
    assert not [
        each for each in functions(record(tmp_path, "spin(0.3)\n").reading) if each.startswith("thread")
    ]


def test_every_thread_is_seen(tmp_path: Path) -> None:
    """Each thread is a frame with its name, and has the time of its own functions."""
    source = (
        "def one(): spin(0.3)\ndef other(): doze(0.3)\n"
        "threads = [threading.Thread(target=one, name='first')]\n"
        "threads += [threading.Thread(target=other, name='second')]\n"
        "for each in threads: each.start()\nfor each in threads: each.join()\n"
    )
    recorded = record(tmp_path, source)
    assert {"thread MainThread", "thread first", "thread second", "one", "other"} <= functions(
        recorded.reading
    )
    assert recorded.seconds("cpu", "one") == pytest.approx(0.3, abs=0.06)
    assert recorded.seconds("cpu", "other") < 0.03
    assert recorded.seconds("wall", "other") == pytest.approx(0.3, abs=0.1)


def test_threads_that_come_and_go(tmp_path: Path) -> None:
    """Threads of many names end up in a bounded number of groups, with all their time."""
    source = (
        "def work(): spin(0.006)\n"
        "for number in range(400):\n"
        "    thread = threading.Thread(target=work, name=f'worker-{number}')\n"
        "    thread.start(); thread.join()\n"
    )
    recorded = record(tmp_path, source)
    names = {each["name"] for each in recorded.raw["threads"]}
    assert any(each.startswith("worker-N") for each in names)
    assert len(names) <= 110
    assert recorded.seconds("cpu", "work") > 0.2


def test_our_thread_is_in_no_list(tmp_path: Path) -> None:
    """The program sees no thread that it did not start, and no stack of ours is in the capture."""
    recorded = record(tmp_path, "spin(0.2)\nprint(threading.active_count(), len(threading.enumerate()))\n")
    assert recorded.stdout == "1 1\n"
    assert not {"_loop", "look", "_on_tick", "fold"} & functions(recorded.reading)


@pytest.mark.parametrize("after_seconds", [0.3, 0.7, 1.5])
def test_killed(tmp_path: Path, after_seconds: float) -> None:
    """What SIGKILL leaves names the busy function, and is whole."""
    source = "print('go', flush=True)\nwhile True:\n    spin(0.05)\n    doze(0.01)\n"
    recorded = Program(tmp_path, source).kill_after(after_seconds)
    assert recorded.returncode == -9
    assert recorded.raw["complete"] is False
    assert recorded.reading.summary["main_thread_cpu_seconds"] > 0
    assert recorded.seconds("cpu", "spin") > 0.8 * recorded.reading.summary["main_thread_cpu_seconds"]


def test_killed_in_a_long_c_call(tmp_path: Path) -> None:
    """A C call that lets go of the GIL and has not returned yet has its time all the same."""
    source = (
        "import hashlib\n"
        "def digest(): hashlib.pbkdf2_hmac('sha256', b'x', b'y', 100_000_000)\n"
        "print('go', flush=True)\ndigest()\n"
    )
    recorded = Program(tmp_path, source).kill_after(1.5)
    for metric in ("cpu", "wall"):
        total = sum(self_seconds(recorded.reading, metric).values())
        assert recorded.seconds(metric, "digest") > 0.6 * total


def test_keeps_no_file_open(tmp_path: Path) -> None:
    """Between two writes the program has no descriptor that it did not open."""
    source = (
        "import os\n"
        "def opened(): return [os.readlink(f'/proc/self/fd/{each}') for each in range(3, 30)\n"
        "                      if os.path.lexists(f'/proc/self/fd/{each}')]\n"
        "found = []\n"
        "for _ in range(40):\n"
        "    doze(0.01)\n    found += [each for each in opened() if str(folder) in each]\n"
        "print(len(found) <= 4)\n"
    )
    assert record(tmp_path, source).stdout == "True\n"


def test_leaves_one_file(tmp_path: Path) -> None:
    """After the end there is the capture and no temporary file."""
    recorded = record(tmp_path, "spin(0.3)\n")
    assert [each.name for each in recorded.folder.iterdir()] == ["cpu.json"]
    assert recorded.raw["complete"] is True


def test_started_on_another_thread(tmp_path: Path) -> None:
    """Started off the main thread it records by looks alone, and says what that means."""
    source = (
        "thread = threading.Thread(target=lambda: (profiler.start(folder, target), spin(0.5)))\n"
        "thread.start(); thread.join()\n"
    )
    recorded = record(tmp_path, source)
    assert "did not start on the main thread" in recorded.notes
    assert recorded.seconds("cpu", "spin") > 0.2


def test_stopped_on_another_thread(tmp_path: Path) -> None:
    """Stopped off the main thread it is complete, and the signal is given back."""
    source = (
        "import signal\nspin(0.3)\n"
        "thread = threading.Thread(target=profiler.stop)\nthread.start(); thread.join()\n"
        "spin(0.05)\nprint(signal.getsignal(signal.SIGURG))\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.stdout.strip() in ("Handlers.SIG_DFL", "0")
    assert recorded.raw["complete"] is True


def test_deep_stacks_are_cut(tmp_path: Path) -> None:
    """Of a deep recursion the innermost frames are kept, below a frame that says so."""
    source = (
        "import sys\nsys.setrecursionlimit(5000)\n"
        "def descend(depth):\n    return spin(0.4) if depth == 0 else descend(depth - 1)\n"
        "descend(3000)\n"
    )
    recorded = record(tmp_path, source, max_depth=100)
    tree = recorded.reading.stacks
    assert tree is not None
    assert len(tree.parents) < 1000
    assert "(outer frames left out)" in functions(recorded.reading)
    assert recorded.seconds("cpu", "spin") > 0.1


def test_a_full_tree_says_so(tmp_path: Path) -> None:
    """Beyond the limit callees count with their caller, nothing is lost, and a note tells."""
    lines = "\n".join(f"def f{number}(): spin(0.004)" for number in range(400))
    recorded = record(
        tmp_path, f"{lines}\nfor each in range(400): globals()[f'f{{each}}']()\n", max_nodes=100
    )
    assert "reached its limit" in recorded.notes
    total = sum(self_seconds(recorded.reading, "cpu").values())
    assert total == pytest.approx(recorded.reading.summary["main_thread_cpu_seconds"], rel=0.05)


def test_an_idle_program_is_seen_waiting(tmp_path: Path) -> None:
    """A long wait, during which looks are rare, is the waiting function's."""
    recorded = record(tmp_path, "doze(1.0)\nspin(0.1)\n")
    assert recorded.seconds("wall", "doze") == pytest.approx(1.0, abs=0.15)
    assert recorded.reading.summary["samples"] < 100


def test_timeline_is_in_cores(tmp_path: Path) -> None:
    """The timeline rises to about one core while one thread computes, and is near zero in a wait."""
    (timeline,) = record(tmp_path, "doze(0.5)\nspin(0.5)\n").reading.timelines
    assert (timeline.name, timeline.unit) == ("cpu", "cores")
    assert max(timeline.values) > 0.2
    early = [value for time, value in zip(timeline.times_seconds, timeline.values, strict=True) if time < 0.4]
    assert sum(early) / len(early) < 0.2


def test_a_forked_child_knows_its_own_thread(tmp_path: Path) -> None:
    """Its main thread has a native id of its own, which `threading` tells only from Python 3.13 on."""
    source = (
        "import os\n"
        "child = os.fork()\n"
        "if child:\n"
        "    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "profiler.start(folder, target)\n"
        "spin(0.5)\n"
    )
    recorded = record(tmp_path, source)
    assert recorded.seconds("cpu", "spin") > 0.3
