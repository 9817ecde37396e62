"""Run processes that use one store at the same time, for the suite of stores."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

OPEN = """
import json, os, sys
from profilerkit.errors import NotFoundError
from profilerkit.stores import open_store
store = open_store(sys.argv[1], json.loads(sys.argv[2]) or None)
def read(key):
    try:
        with store.open(key) as stream:
            return stream.read()
    except NotFoundError:
        return None
def keys(prefix):
    return [each.key for each in store.list(prefix)]
def version(number):
    return (b"%08d" % number) * (1000 + 100 * (number % 300))
def whole(data):
    return data == version(int(data[:8])) if len(data) >= 8 else False
"""
READ_VERSIONS = """
seen, torn = set(), 0
while len(seen) < int(sys.argv[3]):
    data = read("race/one")
    torn += not whole(data)
    if not seen:
        print("ready", flush=True)
    seen.add(data[:8])
print(json.dumps({"torn": torn}))
"""
WRITE_MANY = """
name, count = sys.argv[3], int(sys.argv[4])
for number in range(count):
    store.put(f"race/{name}/{number}", version(number))
    store.put("race/shared", version(number))
"""
READ_MANY = """
torn, odd, lost, seen = 0, [], [], set()
print("ready", flush=True)
while True:
    last = read("race/stop") is not None
    found = keys("race/")
    odd += [key for key in found if ".tmp-" in key]
    lost += [key for key in seen if key not in found]
    for key in [key for key in found if key not in seen or key == "race/shared"]:
        data = read(key)
        if data is None:
            lost.append(key)
        elif key != "race/stop":
            torn += not whole(data)
    seen.update(found)
    if last:
        break
print(json.dumps({"torn": torn, "odd": odd, "lost": lost, "seen": sorted(seen)}))
"""
WRITE_FOREVER = """
big = bytes(1000) * 8000
store.put("kill/one", b"old" * 2_666_667)
print("ready", flush=True)
while True:
    store.put("kill/one", big)
    store.put("kill/one", b"old" * 2_666_667)
"""


class Race:
    """Processes that use a store at the same time."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._arguments = [url, json.dumps(dict(options))]
        self._started: list[subprocess.Popen[str]] = []

    def start(self, code: str, *arguments: str, ready: bool = True) -> subprocess.Popen[str]:
        """Start a process, and wait until it says that it is ready."""
        command = [sys.executable, "-c", OPEN + code, *self._arguments, *arguments]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._started.append(started)
        if ready:
            assert started.stdout is not None
            assert started.stdout.readline() == "ready\n"
        return started

    def end(self, process: subprocess.Popen[str]) -> str:
        """Return what a process printed when it has ended well."""
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0
        return output

    def result(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Return the JSON that a process printed at its end."""
        found: dict[str, Any] = json.loads(self.end(process))
        return found

    def close(self) -> None:
        """End what still runs."""
        for each in self._started:
            if each.poll() is None:
                each.kill()
            each.wait()
            if each.stdout is not None:
                each.stdout.close()
