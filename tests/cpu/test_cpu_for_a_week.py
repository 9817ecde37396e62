"""Play a week of looks at a program that never does the same twice: our memory stays as it is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

WEEK = """
import json, random, sys, threading, time, tracemalloc
import profilerkit_cpu
from profilerkit_cpu.clocks import run_queue_reader
from profilerkit_cpu.fold import CallTree
from profilerkit_cpu.sampler import ThreadSampler
from profilerkit_cpu.ticks import Ticks
from profilerkit_cpu.timeline import Timeline

LOOKS, WEEK_SECONDS = int(sys.argv[1]), 7 * 86400.0
random.seed(4)
tree = CallTree(("cpu", "wall"), max_depth=100, max_nodes=1_000)
ticks = Ticks(CallTree(("cpu",), max_depth=100, max_nodes=1_000))
sampler = ThreadSampler(tree, run_queue_seconds=run_queue_reader(), main_ticks=ticks)
timeline = Timeline()
ended = threading.Event()

def work():
    "Call functions that are made anew all the time, to changing depths, in threads that come and go."
    made = [lambda n: None]
    for number in range(sys.maxsize):
        if ended.is_set():
            return
        scope = {"made": made, "random": random}
        exec(f"def f{number}(n):\\n    if n: random.choice(made)(n - 1)\\n    else: sum(range(200))", scope)
        made.append(scope[f"f{number}"])
        if len(made) > 300:
            del made[random.randrange(300)]
        made[-1](random.randrange(20))

def busy():
    while not ended.is_set():
        thread = threading.Thread(target=lambda: time.sleep(0.002), name=f"thread {random.random()}")
        thread.start()
        thread.join()

def ours():
    return sum(
        each.size for each in tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(True, profilerkit_cpu.__path__[0] + "/*")]
        ).statistics("filename")
    )

programs = [threading.Thread(target=each, daemon=True) for each in (work, busy)]
sampler.begin()
for each in programs:
    each.start()
tracemalloc.start()
sizes = []
for number in range(1, LOOKS + 1):
    now = time.monotonic() + number * WEEK_SECONDS / LOOKS
    sampler.look(now, now)
    timeline.add(number * WEEK_SECONDS / LOOKS, float(number))
    time.sleep(0)
    if number % (LOOKS // 10) == 0:
        sizes.append(ours())
ended.set()
print(json.dumps({"sizes": sizes, "nodes": len(tree.columns["cpu"]), "points": len(timeline.times)}))
"""


@pytest.mark.slow
def test_memory_is_flat_over_a_week() -> None:
    """From the moment when the tree is full nothing of ours grows any more."""
    done = subprocess.run([sys.executable, "-c", WEEK, "8000"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["nodes"] <= 1_001
    assert found["points"] <= 1_001
    full, *later = found["sizes"][4:]
    assert max(later) <= 1.1 * full, found["sizes"]
