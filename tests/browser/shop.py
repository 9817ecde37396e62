"""Record what the pages are shown with: real runs of the example ETL, and a program that means harm."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.lab import Lab, kill

ROOT = Path(__file__).parent.parent.parent
ETL = str(ROOT / "examples/etl.py")
FOREIGN = Path(__file__).parent / "foreign"
ORDERS = 20_000

HOSTILE = """
import time
ATTACK = "<img src=x onerror=window.hacked=1>"
code = compile("def work():\\n    end = time.perf_counter() + 0.5\\n    while time.perf_counter() < end:\\n"
               "        sum(range(2000))\\n", f"/srv/{ATTACK}.py", "exec")
names = {"time": time}
exec(code, names)
function = names["work"]
function.__code__ = function.__code__.replace(co_name=f"{ATTACK}</script><script>window.hacked=3</script>")
function()
"""
HOSTILE_NAME = '"><svg onload=window.hacked=1>.py'
FOREIGN_PROGRAM = """
import time

def heavy():
    kept = [bytearray(1_000_000) for _ in range(20)]
    end = time.perf_counter() + 0.6
    while time.perf_counter() < end:
        light()
    return kept

def light():
    return sum(range(2000))

heavy()
"""
ENDLESS = """
import time

kept = [bytearray(30_000_000)]
print("begun", flush=True)
while True:
    sum(range(20000))
    time.sleep(0.01)
"""


class Shop:
    """A store with one recording of every sort, by name, and what still runs."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        lab.environment["PYTHONPATH"] = str(FOREIGN)
        self.ids: dict[str, str] = {}
        self.running: subprocess.Popen[str] | None = None

    def fill(self) -> None:
        """Record everything."""
        self.whole("good", ETL, "--orders", str(ORDERS), options=("--label", "team=data"))
        self.whole("larger", ETL, "--orders", str(2 * ORDERS))
        self.killed("killed")
        program = self.lab.script(FOREIGN_PROGRAM, "pipeline.py")
        for name in ("foreign", "foreign-again"):
            profilers = [
                word for each in ("acme-calls", "acme-blocks", "acme-stacks") for word in ("-p", each)
            ]
            self.whole(name, str(program), options=tuple(profilers))
        hostile = self.lab.script(HOSTILE, HOSTILE_NAME)
        label = "team=<img src=x onerror=window.hacked=1>"
        for name in ("hostile", "hostile-again"):
            self.whole(name, str(hostile), options=("-p", "cpu", "-p", "acme-hostile", "--label", label))
        self.keep_running("running")

    def whole(self, name: str, program: str, *arguments: str, options: tuple[str, ...] = ()) -> None:
        """Record a program from start to end."""
        process = self.lab.start(*options, program, *arguments, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        self.lab.wait_shipped()
        self.name_newest(name)

    def killed(self, name: str) -> None:
        """Record the ETL, and kill it while it transforms."""
        process = self.lab.start(ETL, "--orders", str(2 * ORDERS))
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("transform"):
                break
        until = psutil.Process(process.pid).cpu_times().user + 0.6
        while psutil.Process(process.pid).cpu_times().user < until:
            time.sleep(0.02)
        kill(process)
        self.lab.wait_shipped()
        self.name_newest(name)

    def keep_running(self, name: str) -> None:
        """Record a program that runs until `close`, and wait until the store knows of it."""
        program = self.lab.script(ENDLESS, "worker.py")
        self.running = self.lab.start("-p", "cpu", "-p", "resources", str(program))
        assert self.running.stdout is not None
        self.running.stdout.readline()
        known = set(self.ids.values())
        self.lab.wait_until(lambda: any(each["id"] not in known for each in self.lab.list()))
        self.name_newest(name)

    def name_newest(self, name: str) -> None:
        """Remember the newest recording under a name."""
        self.ids[name] = max(str(each["id"]) for each in self.lab.list())

    def close(self) -> None:
        """End what still runs."""
        if self.running is not None:
            kill(self.running)


class Server:
    """`profilerkit serve` on a free port."""

    def __init__(self, lab: Lab) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "profilerkit", "serve", "--port", "0"],
            env=lab.environment, cwd=lab.folder, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        for line in self.process.stdout:
            words = [word for word in line.split() if word.startswith("http://")]
            if words:
                self.url = words[0].rstrip("/.")
                break
        else:
            raise AssertionError("serve said no address")

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
