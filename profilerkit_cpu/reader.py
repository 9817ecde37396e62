"""Read a capture, in a process that never recorded, and check all of it: it may be cut, or not ours."""

from __future__ import annotations

import json
import math
import sys
from array import array
from base64 import b64decode
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import frozen

from profilerkit.errors import CaptureError
from profilerkit.interfaces import CaptureFiles
from profilerkit.reading import Metric, Reading, StackBuilder, Timeline, is_launcher
from profilerkit_cpu.capture import FILENAME, HOOK_FORMAT

CPU, WALL = Metric("cpu", "seconds"), Metric("wall", "seconds")
OURS = "(profilerkit itself)"
THREAD_ROOT, THREAD_FOLDER = "thread", "(threads)"
"""The label that tells a thread's frame from a function's, and the folder that leads to it."""
MAX_BYTES = 512 * 1024 * 1024


@frozen
class Tree:
    """A call tree as it was stored: node 0 is the root, and a parent comes before its children."""

    frames: list[tuple[str, str, int]]
    parents: array[int]
    frame_ids: array[int]
    cpu: array[float]
    wall: array[float]


def read_capture(capture: CaptureFiles) -> Reading:
    """Return what a capture holds; raise CaptureError when it cannot be read, whatever is wrong."""
    data = _load(capture.folder / FILENAME)
    try:
        return _hook_reading(data, capture) if data["format"] == HOOK_FORMAT else _reading(data, capture)
    except CaptureError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, ArithmeticError) as error:
        raise CaptureError(f"{FILENAME} is damaged ({type(error).__name__}: {error}).") from error


def _load(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CaptureError(f"{FILENAME} is larger than a CPU capture can be.")
        text = path.read_bytes()
    except FileNotFoundError:
        raise CaptureError(
            f"There is no {FILENAME}: the program ended within the first tenth of a second of the recording."
        ) from None
    except OSError as error:
        raise CaptureError(f"{FILENAME} cannot be opened ({error.strerror or error}).") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"{FILENAME} is damaged, or not a CPU capture ({error}).") from error
    if not isinstance(data, dict) or not isinstance(data.get("format"), int):
        raise CaptureError(f"{FILENAME} is not a CPU capture.")
    if data["format"] > HOOK_FORMAT:
        raise CaptureError(
            f"{FILENAME} has format {data['format']}; this version reads up to {HOOK_FORMAT}.",
            "Install a newer profilerkit.",
        )
    return data


def _reading(data: Mapping[str, Any], capture: CaptureFiles) -> Reading:
    threads = {int(each["node"]): each for each in data["threads"]}
    main_name = str(data["main_thread"]["name"])
    main = next((each for each in threads.values() if each["name"] == main_name), None)
    has_cpu = bool(data["has_thread_clocks"])
    metrics = (CPU, WALL) if has_cpu else (WALL,)
    builder = StackBuilder(metrics, roots={**capture.roots, THREAD_ROOT: THREAD_FOLDER})
    looks, ticks = _tree(data["looks"], wall=True), _tree(data["ticks"], wall=False)
    starts = _thread_nodes(builder, threads, several=len(threads) > 1)
    _add(builder, looks, starts)
    if main is not None:
        _scale(ticks, _number(data["main_thread"]["ticked_cpu_seconds"]), main)
        _add(builder, ticks, {}, start=starts[int(main["node"])])
    times = _decode(data["timeline"]["times"], "d")
    return Reading(
        summary={
            "cpu_seconds": _number(data["process_cpu_seconds"]),
            "wall_seconds": _number(data["wall_seconds"]),
            "main_thread_cpu_seconds": _number(main["cpu_seconds"]) if main and has_cpu else None,
            "samples": _number(data["look_count"]) + _number(data["tick_count"]),
            "longest_gap_seconds": _number(data["longest_gap_seconds"]),
        },
        timelines=_timelines(times, _decode(data["timeline"]["cpu_seconds"], "d")),
        stacks=builder.build(),
        notes=tuple(str(each) for each in data["notes"]) + _lost_note(data, threads),
    )


def _hook_reading(data: Mapping[str, Any], capture: CaptureFiles) -> Reading:
    """Return what the pyinstrument engine recorded: wall time of one thread."""
    builder = StackBuilder((WALL,), roots=capture.roots)
    _add(builder, _tree(data["calls"], cpu=False, wall=True), {})
    pending = data["pending"]
    stack = [(str(function), str(file), int(line)) for function, file, line in pending["stack"]]
    if stack:
        builder.add(stack, (_number(pending["seconds"]),))
    times = _decode(data["timeline"]["times"], "d")
    return Reading(
        summary={
            "cpu_seconds": _number(data["process_cpu_seconds"]),
            "wall_seconds": _number(data["wall_seconds"]),
            "samples": _number(data["sample_count"]),
            "longest_gap_seconds": _number(data["longest_gap_seconds"]),
        },
        timelines=_timelines(times, _decode(data["timeline"]["cpu_seconds"], "d")),
        stacks=builder.build(),
        notes=tuple(str(each) for each in data["notes"]),
    )


def _thread_nodes(
    builder: StackBuilder, threads: Mapping[int, Mapping[str, Any]], *, several: bool
) -> dict[int, int]:
    """Return for each thread's node where its stacks begin: at the root, if there is but one thread."""
    return {
        node: builder.child(0, f"thread {each['name']}", f"{THREAD_FOLDER}/") if several else 0
        for node, each in threads.items()
    }


def _add(builder: StackBuilder, tree: Tree, starts: Mapping[int, int], *, start: int = 0) -> None:
    """Add a stored tree below `start`; its nodes in `starts` are threads, which begin elsewhere.

    The launcher's frames are left out, and what it calls of ours becomes one frame.
    """
    places = [start]
    bottoms = {start, *starts.values()}
    launchers: dict[int, str] = {}
    ours: set[int] = set()
    for node in range(1, len(tree.parents)):
        parent = tree.parents[node]
        if parent >= node:
            raise ValueError("its call tree does not fit together")
        place = places[parent]
        function, filename, line = tree.frames[tree.frame_ids[node]]
        if node in starts:
            place = starts[node]
        elif place in bottoms and is_launcher(filename):
            if filename.endswith("launch.py"):
                launchers[node] = _folder(filename)
        elif parent in ours or launchers.get(parent) == _folder(filename):
            ours.add(node)
            place = place if parent in ours else builder.child(place, OURS, "", 0)
        else:
            place = builder.child(place, function, filename, line)
        places.append(place)
        if tree.cpu[node] or tree.wall[node]:
            builder.add_to(place, (tree.cpu[node], tree.wall[node])[-len(builder.metrics) :])


def _folder(filename: str) -> str:
    return filename.replace("\\", "/").rpartition("/")[0]


def _scale(ticks: Tree, cpu_seconds: float, main: Mapping[str, Any]) -> None:
    """Make the ticks add up to the main thread's CPU clock, and fill in their wall time.

    While it was ready to run and had no processor, its wall time passed where its CPU time did.
    """
    total = math.fsum(ticks.cpu)
    factor = cpu_seconds / total if total else 0.0
    clock = _number(main["cpu_seconds"])
    stretch = 1.0 + _number(main["queued_seconds"]) / clock if clock else 1.0
    for node, value in enumerate(ticks.cpu):
        ticks.cpu[node] = value * factor
        ticks.wall[node] = value * factor * stretch


def _timelines(times: array[float], cpu: array[float]) -> tuple[Timeline, ...]:
    if len(times) != len(cpu) or any(b < a for a, b in pairwise(times)):
        raise ValueError("its timeline does not fit together")
    points = [
        (times[i], max(0.0, cpu[i] - cpu[i - 1]) / (times[i] - times[i - 1]))
        for i in range(1, len(times))
        if times[i] > times[i - 1]
    ]
    if not points:
        return ()
    return (Timeline("cpu", "cores", [time for time, _ in points], [value for _, value in points]),)


def _lost_note(data: Mapping[str, Any], threads: Mapping[int, Mapping[str, Any]]) -> tuple[str, ...]:
    """Say how much CPU time belongs to no stack, if it is worth saying."""
    whole, own = _number(data["process_cpu_seconds"]), _number(data["own_cpu_seconds"])
    seen = sum(_number(each["cpu_seconds"]) for each in threads.values())
    lost = whole - own - seen
    if lost < 0.05 or lost < 0.05 * whole or not seen:
        return ()
    return (
        f"{lost:.2f} of {whole:.2f} CPU seconds are in no stack: threads that ended between two looks, "
        f"or that run no Python, used them. The profiler's own {own:.2f} s are not shown either.",
    )


def _tree(data: Mapping[str, Any], *, cpu: bool = True, wall: bool) -> Tree:
    frames = [(str(function), str(file), int(line)) for function, file, line in data["frames"]]
    parents, frame_ids = _decode(data["parents"], "I"), _decode(data["frame_ids"], "I")
    none = array("d", bytes(8 * len(parents)))
    cpus = _decode(data["cpu"], "d") if cpu else none
    walls = _decode(data["wall"], "d") if wall else none[:]
    if not len(parents) == len(frame_ids) == len(cpus) == len(walls) or len(parents) < 1:
        raise ValueError("the columns of its call tree differ in length")
    if any(not math.isfinite(each) or each < 0 for column in (cpus, walls) for each in column):
        raise ValueError("it holds times that are not possible")
    return Tree(frames, parents, frame_ids, cpus, walls)


def _decode(text: str, typecode: str) -> array[Any]:
    numbers: array[Any] = array(typecode)
    numbers.frombytes(b64decode(text, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is not a time")
    return number
