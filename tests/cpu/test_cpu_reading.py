"""Captures that are cut, damaged, foreign or made up: a reading, or an error in words."""

from __future__ import annotations

import base64
import json
import random
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cpu_recording import record

from profilerkit.errors import CaptureError
from profilerkit.interfaces import CaptureFiles
from profilerkit.reading import Reading
from profilerkit_cpu.capture import FILENAME, encode
from profilerkit_cpu.profiler import CpuProfiler


def capture() -> dict[str, Any]:
    """Return the content of a capture of one thread: half a second in `outer`, half in `inner`."""
    looks = {
        "frames": [["", "", 0], ["MainThread", "", 0], ["outer", "/app/a.py", 3]],
        "parents": encode(array("I", [0, 0, 1])),
        "frame_ids": encode(array("I", [0, 1, 2])),
        "cpu": encode(array("d", [0.0, 0.0, 0.0])),
        "wall": encode(array("d", [0.0, 0.0, 0.5])),
    }
    ticks = {
        "frames": [["", "", 0], ["outer", "/app/a.py", 3], ["inner", "/app/a.py", 7]],
        "parents": encode(array("I", [0, 0, 1])),
        "frame_ids": encode(array("I", [0, 1, 2])),
        "cpu": encode(array("d", [0.0, 0.0, 0.3])),
    }
    main = {"name": "MainThread", "node": 1, "count": 1}
    main |= {"cpu_seconds": 0.4, "wall_seconds": 1.0, "queued_seconds": 0.1}
    return {
        "format": 1,
        "engine": "sampler",
        "complete": True,
        "wall_seconds": 1.0,
        "process_cpu_seconds": 0.41,
        "own_cpu_seconds": 0.01,
        "look_count": 100,
        "tick_count": 75,
        "longest_gap_seconds": 0.02,
        "has_thread_clocks": True,
        "main_thread": {"name": "MainThread", "ticked_cpu_seconds": 0.4},
        "threads": [main],
        "timeline": {
            "times": encode(array("d", [0.0, 0.5, 1.0])),
            "cpu_seconds": encode(array("d", [0.0, 0.4, 0.41])),
        },
        "notes": [],
        "looks": looks,
        "ticks": ticks,
    }


def read(folder: Path, data: Any) -> Reading:
    """Read a capture of this content."""
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    (folder / FILENAME).write_bytes(content)
    return CpuProfiler.read(CaptureFiles(folder, roots={"own": "/app"}))


def test_ticks_are_scaled_to_the_clock(tmp_path: Path) -> None:
    """The main thread's ticks add up to its CPU clock; its wall time has its wait for a processor."""
    tree = read(tmp_path, capture()).stacks
    assert tree is not None
    assert [(frame.function, frame.root) for frame in tree.frames] == [("outer", "own"), ("inner", "own")]
    assert tree.totals(0) == pytest.approx([0.4, 0.4, 0.4])
    assert tree.totals(1) == pytest.approx([1.0, 1.0, 0.5])


def test_summary_and_timeline(tmp_path: Path) -> None:
    """The numbers are those of the file, the timeline is in cores."""
    reading = read(tmp_path, capture())
    assert reading.summary == {
        "cpu_seconds": 0.41,
        "wall_seconds": 1.0,
        "main_thread_cpu_seconds": 0.4,
        "samples": 175.0,
        "longest_gap_seconds": 0.02,
    }
    assert reading.timelines[0].values == pytest.approx([0.8, 0.02])


def test_a_system_without_thread_clocks(tmp_path: Path) -> None:
    """Where the CPU time of threads is unknown there is wall time alone."""
    reading = read(tmp_path, {**capture(), "has_thread_clocks": False})
    assert reading.stacks is not None
    assert [metric.name for metric in reading.stacks.metrics] == ["wall"]
    assert reading.stacks.totals(0)[0] == pytest.approx(1.0)
    assert reading.summary["main_thread_cpu_seconds"] is None


def test_launcher_is_left_out(tmp_path: Path) -> None:
    """Frames of the launcher below the program are not shown; the same file above it is."""
    data = capture()
    data["looks"]["frames"][2] = ["main", "/site/profilerkit/launch.py", 9]
    data["ticks"]["frames"][1] = ["main", "/site/profilerkit/launch.py", 9]
    tree = read(tmp_path, data).stacks
    assert tree is not None
    assert [frame.function for frame in tree.frames] == ["inner"]


def test_what_the_launcher_calls_is_one_frame(tmp_path: Path) -> None:
    """Starting a recording takes time in the program's process: it is shown as ours, in one frame."""
    data = capture()
    data["ticks"]["frames"][1] = ["main", "/x/profilerkit/launch.py", 9]
    data["ticks"]["frames"][2] = ["start", "/x/profilerkit/session.py", 5]
    tree = read(tmp_path, data).stacks
    assert tree is not None
    assert [frame.function for frame in tree.frames] == ["outer", "(profilerkit itself)"]


def test_modules_beside_runpy_are_the_program(tmp_path: Path) -> None:
    """A module of the standard library that is run with `-m` is no part of the launcher."""
    data = capture()
    data["ticks"]["frames"][1] = ["_run_code", "/lib/runpy.py", 88]
    data["ticks"]["frames"][2] = ["main", "/lib/timeit.py", 5]
    tree = read(tmp_path, data).stacks
    assert tree is not None
    assert [frame.function for frame in tree.frames] == ["outer", "main"]


def test_threads_are_the_outermost_frames(tmp_path: Path) -> None:
    """With several threads each has a frame, and the launcher is left out above it too."""
    data = capture()
    data["looks"]["frames"] += [["worker", "", 0]]
    data["looks"]["parents"] = encode(array("I", [0, 0, 1, 0]))
    data["looks"]["frame_ids"] = encode(array("I", [0, 1, 2, 3]))
    for column in ("cpu", "wall"):
        data["looks"][column] = encode(array("d", [0.0, 0.0, 0.0, 0.2]))
    data["threads"].append({**data["threads"][0], "name": "worker", "node": 3})
    tree = read(tmp_path, data).stacks
    assert tree is not None
    threads = [(frame.function, frame.path) for frame in tree.frames if frame.root == "thread"]
    assert threads == [("thread MainThread", ""), ("thread worker", "")]


def test_lost_cpu_time_is_noted(tmp_path: Path) -> None:
    """CPU time that is in no stack is told."""
    assert "1.59 of 2.00 CPU seconds" in read(tmp_path, {**capture(), "process_cpu_seconds": 2.0}).notes[0]


DAMAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda data: [data],
    "nothing in it": lambda data: {},
    "no format": lambda data: data.pop("format"),
    "no tree": lambda data: data.pop("looks"),
    "a tree that is a text": lambda data: data.update(looks="tree"),
    "a parent after its child": lambda data: data["looks"].update(parents=encode(array("I", [0, 2, 1]))),
    "its own parent": lambda data: data["looks"].update(parents=encode(array("I", [0, 1, 1]))),
    "a frame that is not there": lambda data: data["looks"].update(frame_ids=encode(array("I", [0, 1, 9]))),
    "a column too short": lambda data: data["looks"].update(cpu=encode(array("d", [0.0]))),
    "an empty column": lambda data: data["ticks"].update(parents="", frame_ids="", cpu=""),
    "half a number": lambda data: data["ticks"].update(cpu=base64.b64encode(b"12345").decode()),
    "no base64": lambda data: data["ticks"].update(cpu="***"),
    "a time that is not a number": lambda data: data["ticks"].update(
        cpu=encode(array("d", [0.0, 0.0, float("nan")]))
    ),
    "a negative time": lambda data: data["looks"].update(wall=encode(array("d", [0.0, 0.0, -1.0]))),
    "an endless time": lambda data: data.update(wall_seconds=float("inf")),
    "a text for a time": lambda data: data.update(process_cpu_seconds="much"),
    "a timeline that goes back": lambda data: data["timeline"].update(
        times=encode(array("d", [0.0, 0.5, 0.2]))
    ),
    "a thread that is a number": lambda data: data.update(threads=[7]),
    "a frame of two parts": lambda data: data["ticks"].update(frames=[["a", "b"]] * 3),
    "notes that are a number": lambda data: data.update(notes=7),
    "a huge line": lambda data: data["ticks"]["frames"][1].__setitem__(2, "1" * 10_000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged(tmp_path: Path, damage: str) -> None:
    """Whatever does not fit together is an error in words."""
    data = capture()
    replaced = DAMAGES[damage](data)
    with pytest.raises(CaptureError, match=r"cpu\.json"):
        read(tmp_path, replaced if damage in ("no object", "nothing in it") else data)


def test_nested_without_end(tmp_path: Path) -> None:
    """JSON that is nested too deep for the parser is an error in words."""
    with pytest.raises(CaptureError, match=r"cpu\.json"):
        read(tmp_path, b'{"format":' + b"[" * 200_000)


def test_newer_format(tmp_path: Path) -> None:
    """A capture of a later version is refused, with what to do."""
    with pytest.raises(CaptureError, match=r"format 3.*Install a newer profilerkit"):
        read(tmp_path, {**capture(), "format": 3})


def test_no_file(tmp_path: Path) -> None:
    """A recording that ended before the first write says so."""
    with pytest.raises(CaptureError, match=r"There is no cpu\.json"):
        CpuProfiler.read(CaptureFiles(tmp_path))


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """What cannot be opened is an error in words."""
    (tmp_path / FILENAME).mkdir()
    with pytest.raises(CaptureError, match=r"cpu\.json cannot be opened"):
        CpuProfiler.read(CaptureFiles(tmp_path))


def test_cut_or_changed_anywhere(tmp_path: Path) -> None:
    """A real capture that was cut, or had bytes changed, gives a reading or an error in words."""
    home = tmp_path / "home"
    home.mkdir()
    whole = (record(home, "spin(0.2)\n").folder / FILENAME).read_bytes()
    chance, refused = random.Random(7), 0
    for _ in range(300):
        data = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(tmp_path, bytes(data))
        except CaptureError:
            refused += 1
    assert refused > 100
