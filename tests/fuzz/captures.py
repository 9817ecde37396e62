"""Keep a real recording's captures at hand, and give damaged ones the shelf that reports are made from."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen

from profilerkit.archive import Archive
from profilerkit.localstore import LocalStore
from profilerkit.model import Capture, CaptureFile, Recording
from profilerkit.reading import Reading
from tests.lab import Lab

PROFILERS = ("memray", "cpu", "resources", "tracemalloc")

PROGRAM = """
import subprocess, sys, threading, time

def build(count):
    return [bytearray(200) for _ in range(count)]

def deep(levels):
    return build(200) if levels == 0 else deep(levels - 1)

def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(100))

threads = [threading.Thread(target=spin, args=(0.2,), name=f"worker {n}") for n in range(3)]
[each.start() for each in threads]
kept = [build(2000), deep(60)]
subprocess.run([sys.executable, "-c", "x = bytearray(10_000_000)"])
[each.join() for each in threads]
spin(0.3)
"""


@frozen
class Recorded:
    """A recording and the raw files of its captures."""

    recording: Recording
    files: dict[str, dict[str, bytes]]


def record(lab: Lab, folder: Path) -> Recorded:
    """Record a program with every profiler whose captures are damaged here."""
    arguments = [word for each in PROFILERS for word in ("-p", each)]
    script = lab.script(PROGRAM)
    assert lab.start("-q", *arguments, script.name).wait(120) == 0
    lab.wait_shipped()
    archive = Archive(LocalStore(lab.store.resolve()))
    (event,) = archive.recordings()
    recording = archive.load(event)
    files = {}
    for capture in recording.captures:
        target = folder / capture.profiler
        target.mkdir()
        archive.fetch_raw(event, capture, target)
        files[capture.profiler] = {
            path.relative_to(target).as_posix(): path.read_bytes()
            for path in target.rglob("*")
            if path.is_file()
        }
    return Recorded(recording, files)


def write(files: dict[str, bytes], folder: Path) -> Path:
    """Write the files of a capture into a folder that is not there yet."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


class FolderShelf:
    """One capture that lies in a folder, of which nothing is known yet; nothing is kept."""

    def __init__(self, recording: Recording, profiler: str, folder: Path) -> None:
        capture = recording.capture(profiler)
        assert capture is not None
        files = tuple(
            CaptureFile(path.relative_to(folder).as_posix(), path.stat().st_size)
            for path in folder.rglob("*")
            if path.is_file()
        )
        capture = evolve(capture, contents=None, files=files or (CaptureFile("gone", 0),))
        self.recording = evolve(recording, captures=(capture,))
        self._folder = folder
        self._reading: Reading | None = None

    @property
    def capture(self) -> Capture:
        """The one capture."""
        return self.recording.captures[0]

    def fetch_raw(self, capture: Capture, folder: Path) -> Path:
        """Return where it lies."""
        return self._folder

    def get_reading(self, capture: Capture) -> Reading | None:
        """Return the reading, once there is one."""
        return self._reading

    def put_reading(self, capture: Capture, reading: Reading) -> None:
        """Keep it for the next report."""
        self._reading = reading

    def get_report(self, capture: Capture, options_hash: str, filename: str, target: Path) -> bool:
        """Say that there is none."""
        return False

    def put_report(self, capture: Capture, options_hash: str, filename: str, source: Path) -> None:
        """Keep nothing."""
