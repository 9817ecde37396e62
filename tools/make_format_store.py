"""Make the store of a format that tests keep for ever: tests/data/store-<format>.

Run it once for each format that is released, with profilerkit installed as users have it, in an
environment whose paths may be published: they are in the captures.

    python tools/make_format_store.py tests/data/store-1

What it writes never changes again; later versions have to read it. Beside the store stands what they
have to find in it, and the checksum of each file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from profilerkit.archive import Archive
from profilerkit.compaction import compact
from profilerkit.contents import read_all
from profilerkit.library import Library
from profilerkit.localstore import LocalStore
from profilerkit.render import list_reports
from profilerkit.settings import load_settings
from profilerkit.views import show_json

HOT_ROWS = 5
SILENT_SECONDS = 5.0
"""So long after its last sign of life the running recording is interrupted: it has an interval of 1 s."""

PROGRAM = """
import sys, threading, time

def load(count):
    return [bytearray(1000) for _ in range(count)]

def deep(levels):
    return load(1000) if levels == 0 else deep(levels - 1)

def crunch(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(100))

kept = [load(3000), deep(20)]
thread = threading.Thread(target=crunch, args=(0.1,), name="worker")
thread.start()
crunch(0.3)
thread.join()
print("ready", flush=True)
"""

ENDS = {
    "complete": "",
    "failed": "raise RuntimeError('as it should')",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "running": "time.sleep(600)",
}


class Maker:
    """Record into one store, with a spool of its own."""

    def __init__(self, folder: Path, store: Path) -> None:
        self._folder = folder
        self._store = store
        self._spool = folder / "spool"
        self.archive = Archive(LocalStore(store))

    def start(self, end: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a recording of the program with one of the ends."""
        program = self._folder / "program.py"
        program.write_text(PROGRAM + ENDS[end])
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PROFILERKIT_STORE": str(self._store),
            "PROFILERKIT_SPOOL": str(self._spool),
            "PROFILERKIT_CATALOG": str(self._folder / "catalogs"),
            **variables,
        }
        command = [sys.executable, "-m", "profilerkit", "run", "-q", *arguments, program.name]
        return subprocess.Popen(
            command, env=environment, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def record(self, end: str, *arguments: str) -> None:
        """Record one to its end, and wait until it is in the store."""
        with self.start(end, *arguments) as process:
            process.communicate()
        _wait(lambda: not self.spools())

    def leave_running(self, *arguments: str) -> None:
        """Record one of which nobody says how it ended: the watcher is killed first."""
        before = len(self.archive.recordings())
        process = self.start("running", *arguments, PROFILERKIT_CHECKPOINT_INTERVAL="1")
        _wait(lambda: len(self.archive.recordings()) > before)
        time.sleep(2.0)  # one more checkpoint, when all captures have something to show
        (spool,) = self.spools()
        os.kill(int(json.loads((spool / "watcher.json").read_bytes())["watcher_pid"]), signal.SIGKILL)
        process.kill()
        process.communicate()
        shutil.rmtree(self._spool)

    def spools(self) -> list[Path]:
        """Return what is not in the store yet."""
        return [each for each in self._spool.glob("*") if not each.name.startswith(".")]


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            sys.exit("It takes too long.")
        time.sleep(0.1)


def make(folder: Path, store: Path) -> None:
    """Fill the store: a day of compacted events, and loose ones."""
    maker = Maker(folder, store)
    everything = ("-p", "memray", "-p", "cpu", "-p", "resources")
    maker.record("complete", *everything, "--name", "odd/näme", "--label", "team=data")
    maker.record("killed", *everything, "--name", "killed")
    maker.record("failed", "-p", "resources", "--name", "deleted")
    maker.archive.delete(maker.archive.find("latest"))
    compact(maker.archive, datetime.now(timezone.utc) + timedelta(days=30))
    maker.record("failed", "-p", "resources", "-p", "cpu", "--name", "failed")
    maker.leave_running(*everything, "--name", "running")


def expected(store: Path) -> dict[str, Any]:
    """Return what is to be found in the store, in a form that later versions may add to."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(store, Path(scratch, "store"))
        os.environ["PROFILERKIT_CATALOG"] = str(Path(scratch, "catalogs"))
        library = Library(load_settings({"store": str(copy), "spool": str(Path(scratch, "spool"))}))
        found = []
        for entry in library.entries():
            shelf = library.shelf(entry)
            readings, errors = read_all(shelf)
            shown = show_json(shelf.recording, readings, errors)
            shown["hot"] = {name: rows[:HOT_ROWS] for name, rows in shown["hot"].items()}
            summaries = {name: dict(each.summary) for name, each in readings.items()}
            contents = {name: list(each.contents) for name, each in readings.items()}
            reports = [each.name for each in list_reports(shelf)]
            found.append({"show": shown, "summaries": summaries, "contents": contents, "reports": reports})
    return {"recordings": found, "files": checksums(store)}


def checksums(store: Path) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


def main() -> None:
    """Make the store and what is expected of it."""
    target = Path(sys.argv[1]).absolute()
    if target.exists():
        sys.exit(f"{target} is there already, and never changes.")
    store = target / "store"
    with tempfile.TemporaryDirectory(prefix="program-") as folder:
        make(Path(folder), store)
    time.sleep(SILENT_SECONDS)
    (target / "expected.json").write_text(json.dumps(expected(store), indent=1) + "\n")
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"Made {target}: {size // 1024} KiB.")


if __name__ == "__main__":
    main()
