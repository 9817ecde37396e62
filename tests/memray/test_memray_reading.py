"""Captures are read into whole readings, and whatever cannot be read is refused in words."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from memray_recording import Recorded, bytes_at_peak, stacks_of

from profilerkit.errors import CaptureError
from profilerkit.interfaces import CaptureFiles
from profilerkit.reading import Metric, StackBuilder
from profilerkit.testing.checks import check_reading
from profilerkit_memray.profiler import MemrayProfiler
from profilerkit_memray.reader import fold
from profilerkit_memray.samples import MOST_POINTS, Samples

Record = Callable[..., Recorded]

PROGRAM = """
import time
def grow():
    return [bytearray(10_000) for _ in range(300)]
kept = grow()
time.sleep(0.1)
del kept
time.sleep(0.1)
"""


@pytest.fixture
def recorded(record: Record) -> Recorded:
    """Return a small complete recording."""
    return record(PROGRAM)


def refusal(folder: Path, **capture: Any) -> str:
    """Return in which words a capture is refused."""
    with pytest.raises(CaptureError) as caught:
        MemrayProfiler.read(CaptureFiles(folder, **capture))
    return str(caught.value)


def test_times_are_since_the_recording_began(recorded: Recorded) -> None:
    """Timelines and the time of the peak count from the recording's start, not the capture's."""
    from memray import FileReader

    with FileReader(recorded.folder / "memray.bin") as reader:
        began = reader.metadata.start_time
    reading = MemrayProfiler.read(CaptureFiles(recorded.folder, started_at=began - timedelta(seconds=5)))
    heap, rss = reading.timelines
    assert 5.0 <= heap.times_seconds[0] < 5.5
    assert heap.times_seconds[-1] >= 5.15
    assert 5.0 <= (reading.summary["peak_at_seconds"] or 0) <= heap.times_seconds[-1] - 0.05
    assert max(heap.values) >= 3_000_000 > heap.values[-1] == reading.summary["heap_at_end_bytes"]
    assert max(rss.values) == reading.summary["peak_rss_bytes"]


def test_frames_are_relative_to_the_roots(recorded: Recorded) -> None:
    """Files under a root of the recording are told by it."""
    roots = {"own": str(recorded.folder.parent)}
    reading = MemrayProfiler.read(CaptureFiles(recorded.folder, roots=roots))
    assert reading.stacks is not None
    assert {("own", "program.py")} == {
        (frame.root, frame.path) for frame in reading.stacks.frames if frame.function == "grow"
    }


def test_nothing_written_yet(tmp_path: Path) -> None:
    """No file, an empty one and one that was only reserved are told from damaged ones."""
    assert "memray had not begun to write" in refusal(tmp_path)
    for content in (b"", bytes(4096)):
        (tmp_path / "memray.bin").write_bytes(content)
        assert "ended before memray had written anything" in refusal(tmp_path)


def test_foreign_files(tmp_path: Path) -> None:
    """What is not a memray capture is never given to memray."""
    for content in (b"hello", b"\x04\x22\x4d\x18" + bytes(100), b"memraX\0" + bytes(100)):
        (tmp_path / "memray.bin").write_bytes(content)
        assert "is not a memray capture" in refusal(tmp_path)
    (tmp_path / "memray.bin").unlink()
    (tmp_path / "memray.bin").symlink_to("/etc/passwd")
    assert "is not a file" in refusal(tmp_path)


def test_capture_of_another_version(recorded: Recorded) -> None:
    """A format that this memray does not read is refused with the command that mends it."""
    path = recorded.folder / "memray.bin"
    content = bytearray(path.read_bytes())
    content[7:11] = struct.pack("<i", 999)
    path.write_bytes(content)
    assert refusal(recorded.folder, versions={"memray": "1.3.0"}) == (
        "This capture was written by another version of memray. "
        "Install the one that wrote it: pip install memray==1.3.0"
    )


def test_damaged_notes_do_no_harm(recorded: Recorded) -> None:
    """Notes that cannot be read are left out."""
    for content in ('["ok"', '{"a": 1}', "null", "\0"):
        (recorded.folder / "notes.json").write_text(content)
        assert MemrayProfiler.read(CaptureFiles(recorded.folder)).notes == ()


READ_DAMAGED = """
import os, signal, sys
from pathlib import Path
from profilerkit.errors import CaptureError
from profilerkit.interfaces import CaptureFiles
from profilerkit_memray.profiler import MemrayProfiler
import memray
for folder in map(Path, sys.argv[1:]):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        code = 1
        try:
            MemrayProfiler.read(CaptureFiles(folder))
            code = 0
        except (CaptureError, MemoryError):
            code = 0
        finally:
            os._exit(code)
    print(folder.name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_cut_and_damaged_captures(recorded: Recorded, tmp_path: Path) -> None:
    """Files cut or damaged anywhere give a reading or a CaptureError; memray itself may crash."""
    content = (recorded.folder / "memray.bin").read_bytes()
    chance = random.Random(7)
    folders = []
    for number in range(60):
        damaged = bytearray(content)
        if number % 2:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            for _ in range(chance.randrange(1, 20)):
                damaged[chance.randrange(7, len(damaged))] = chance.randrange(256)
        folder = tmp_path / f"damaged-{number}"
        folder.mkdir()
        (folder / "memray.bin").write_bytes(damaged)
        folders.append(folder)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_DAMAGED, *folders], capture_output=True, text=True
    )
    codes = dict(line.split() for line in result.stdout.splitlines())
    assert len(folders) == len(codes)
    assert {name: code for name, code in codes.items() if code not in ("0", "-11", "-6")} == {}


def test_stacks_are_folded_root_first_without_the_launcher() -> None:
    """Frames of the launcher at the root are left out, and a record without stack gets a frame."""
    launcher = ("main", "/x/profilerkit/launch.py", 9)

    def record(stack: list[tuple[str, str, int]], size: int, stack_id: int) -> Any:
        return SimpleNamespace(
            stack_trace=lambda: stack,
            size=size,
            n_allocations=1,
            allocator=14,
            stack_id=stack_id,
            native_stack_id=0,
            native_segment_generation=0,
        )

    own = [("leaf", "/a.py", 2), ("<module>", "/a.py", 1), launcher]
    records = [record(own, 10, 1), record(own, 5, 1), record([], 3, 0), record([launcher], 2, 2)]
    tree = fold(records, StackBuilder((Metric("heap_at_peak", "bytes"), Metric("n", "count"))), native=False)
    assert [frame.function for frame in tree.frames] == ["<module>", "leaf", "<unknown stack>"]
    assert tree.frames[2].path == "<mmap>"
    assert tree.totals() == [20.0, 15.0, 15.0, 3.0]
    assert tree.self_values[1] == [1.0, 0.0, 2.0, 1.0]


def test_thinned_samples_keep_the_peaks() -> None:
    """A day of samples becomes at most 2000 points, whose maxima are those of the samples."""
    samples = Samples()
    for tick in range(100_001):
        samples.add(tick / 100, 7 if tick != 77_777 else 9, tick % 1000 if tick != 55_555 else 5000)
    heap, rss = samples.timelines()
    assert MOST_POINTS / 2 <= len(heap.values) <= MOST_POINTS
    assert (max(heap.values), max(rss.values)) == (5000, 9)
    assert (samples.peak_at_seconds, samples.peak_rss_bytes, samples.last_heap_bytes) == (555.55, 9, 0)
    assert list(heap.times_seconds) == sorted(set(heap.times_seconds))
    position = list(heap.values).index(5000)
    assert heap.times_seconds[position] <= 555.55 < heap.times_seconds[position + 1]


def test_clock_that_is_set_back() -> None:
    """Times never fall, whatever the clock did."""
    samples = Samples()
    for seconds in (1.0, 2.0, 1.5, 3.0):
        samples.add(seconds, 1, 1)
    assert list(samples.timelines()[0].times_seconds) == [1.0, 2.0, 2.0, 3.0]


def test_same_reading_each_time(recorded: Recorded) -> None:
    """Reading a capture twice gives the same, and changes nothing in its folder."""
    before = {each.name: each.read_bytes() for each in recorded.folder.iterdir()}
    first, second = (MemrayProfiler.read(CaptureFiles(recorded.folder)) for _ in range(2))
    check_reading(first)
    assert bytes_at_peak(first) == bytes_at_peak(second)
    assert stacks_of(first, "grow") == stacks_of(second, "grow")
    assert before == {each.name: each.read_bytes() for each in recorded.folder.iterdir()}
