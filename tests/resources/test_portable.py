"""Test the way over psutil, which is taken where there is no /proc, on this system."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from profilerkit_resources.portable import PortableTree

PARENT = """
import subprocess, sys
holder = "import sys; block = bytearray(50 << 20); print(flush=True); sys.stdin.readline()"
child = subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.readline()
child.communicate(b"\\n")
print(flush=True)
sys.stdin.readline()
"""


def test_a_tree_is_followed_until_its_end() -> None:
    """Processes are added up while they live, and what they used stays counted when they ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    child = int(process.stdout.readline())
    tree = PortableTree(process.pid)
    numbers = tree.look(0.0)
    truth_bytes = sum(psutil.Process(pid).memory_info().rss for pid in (process.pid, child))
    assert numbers.rss_bytes == pytest.approx(truth_bytes, rel=0.05)
    assert numbers.processes == 2
    first = tree.first_look()
    assert first is not None
    assert 0 < first.age_seconds < 60
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    without_child = tree.look(1.0)
    assert without_child.processes == 1
    assert [each.pid for each in tree.news()] == [child]
    assert without_child.user_seconds >= numbers.user_seconds
    process.communicate("\n")
    ended = tree.look(2.0)
    assert (ended.rss_bytes, ended.processes) == (0, 0)
    assert tree.alive_seconds() == 1.0


def test_a_process_that_is_gone_is_never_seen() -> None:
    """A process that has ended before the first look has no numbers."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    tree = PortableTree(ended.pid)
    assert tree.look(0.0).processes == 0
    assert tree.first_look() is None
