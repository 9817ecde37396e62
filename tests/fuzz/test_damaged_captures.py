"""Damaged, cut and foreign captures give a clear error or a valid reading, and harm no caller."""

from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from profilerkit import plugins
from profilerkit.errors import CaptureError, ProfilerKitError
from profilerkit.limits import Limits
from profilerkit.readingjson import reading_from_json, reading_to_json
from profilerkit.readings import make_reading
from profilerkit.render import list_reports, make_report
from tests.fuzz.captures import PROFILERS, FolderShelf, Recorded, write
from tests.fuzz.mutations import damaged_capture

COUNT = 200
"""So many damaged captures of each profiler are read."""
THROUGH_THE_DOOR = 40
"""So many of them each in a process of its own, as the product does it."""
MOST_READABLE = 4
"""So many that can be read are rendered, with all before them that cannot."""
LIMITS = Limits(memory_bytes=2 << 30, seconds=60.0, output_bytes=256 << 20)

pytestmark = pytest.mark.slow


def damaged_captures(
    recorded: Recorded, profiler: str, count: int = COUNT
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield so many damaged captures of a profiler, each with what was done."""
    others = [data for name, files in recorded.files.items() if name != profiler for data in files.values()]
    return (damaged_capture(recorded.files[profiler], others, number) for number in range(count))


def complaints(text: str, folder: Path) -> list[str]:
    """Return what is wrong with the words of an error."""
    ours = (str(folder), str(Path(plugins.__file__).parent), sys.prefix, "Traceback", ".py")
    wrong = [f"it says {word}" for word in ours if word in text]
    if not text.isprintable() or not text.strip() or len(text) > 700:
        wrong.append("it is not one line of fair length")
    return wrong


@pytest.mark.parametrize("profiler", PROFILERS)
def test_the_product_bears_damaged_captures(recorded: Recorded, profiler: str, tmp_path: Path) -> None:
    """Each is read in a process of its own: a reading, or an error in one line that names no path of ours."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong, outcomes = [], Counter[str]()
    for what, files in damaged_captures(recorded, profiler, THROUGH_THE_DOOR):
        folder = write(files, tmp_path / what.partition(":")[0])
        shelf = FolderShelf(recorded.recording, profiler, folder)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        try:
            reading = make_reading(shelf.recording, shelf.capture, folder, scratch, LIMITS)
        except ProfilerKitError as error:
            outcomes[type(error).__name__] += 1
            wrong += [f"{what}: {each}: {error}" for each in complaints(str(error), tmp_path)]
        else:
            outcomes["read"] += 1
            assert reading_from_json(json.loads(json.dumps(reading_to_json(reading)))) == reading
        assert list(scratch.iterdir()) == []
    assert wrong == []
    assert outcomes["CaptureError"]
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 100 << 10
    print(profiler, dict(outcomes))


@pytest.mark.parametrize("profiler", PROFILERS)
def test_reports_of_damaged_captures(recorded: Recorded, profiler: str, tmp_path: Path) -> None:
    """Every report that a damaged capture offers is made, or refused in one line."""
    wrong, made, readable = [], Counter[bool](), 0
    for what, files in damaged_captures(recorded, profiler, THROUGH_THE_DOOR):
        if readable == MOST_READABLE:
            break
        shelf = FolderShelf(recorded.recording, profiler, write(files, tmp_path / what.partition(":")[0]))
        offered = list_reports(shelf)
        readable += any("." not in each.renderer for each in offered)
        for info in offered:
            target = tmp_path / "report"
            try:
                make_report(shelf, info.name, target, limits=LIMITS)
            except ProfilerKitError as error:
                made[False] += 1
                wrong += [
                    f"{what}, {info.name}: {each}: {error}" for each in complaints(str(error), tmp_path)
                ]
            else:
                made[True] += 1
                assert target.stat().st_size > 0
                target.unlink()
    print(profiler, dict(made))
    assert wrong == []
    assert made[True]


@pytest.mark.parametrize("profiler", PROFILERS)
def test_readers_and_renderers_bear_damaged_captures(
    recorded: Recorded, profiler: str, tmp_path: Path
) -> None:
    """The same for all of them, many in one process until it dies; nothing hangs, no error is unclear."""
    renderers = _renderers(profiler)
    jobs = []
    for number, (what, files) in enumerate(damaged_captures(recorded, profiler)):
        folder = write(files, tmp_path / what.partition(":")[0])
        # Rendering takes longer: every tenth tries all reports as well.
        jobs.append((what, _question(recorded, profiler, folder, renderers if number % 10 == 0 else {})))
    wrong, outcomes = [], Counter[str]()
    for what, answers in _answers(jobs):
        if isinstance(answers, str):
            outcomes[answers] += 1
            continue
        for name, answer in answers.items():
            outcomes[
                f"{'read' if name == 'read' else 'report'} {'failed' if 'error' in answer else 'done'}"
            ] += 1
            if "error" in answer:
                found = complaints(answer["error"], tmp_path)
                wrong += [f"{what}, {name}: {each}: {answer['error']}" for each in found]
    print(profiler, dict(outcomes))
    assert wrong == []
    assert outcomes["hangs"] == 0
    assert outcomes["read done"]
    assert outcomes["read failed"]


def _renderers(profiler: str) -> dict[str, str]:
    names = plugins.names(plugins.RENDERERS)
    return {
        name: plugins.entry(plugins.RENDERERS, name)
        for name in names
        if "." not in name or name.startswith(f"{profiler}.")
    }


def _question(recorded: Recorded, profiler: str, folder: Path, renderers: dict[str, str]) -> dict[str, Any]:
    from profilerkit.codec import recording_to_json

    shelf = FolderShelf(recorded.recording, profiler, folder)
    return {
        "entry": plugins.entry(plugins.PROFILERS, profiler),
        "folder": str(folder),
        "options": dict(shelf.capture.options),
        "versions": dict(shelf.capture.versions),
        "roots": dict(recorded.recording.roots),
        "started_at": recorded.recording.started_at.isoformat(),
        "interrupted": folder.name[-1] in "02468",
        "recording": recording_to_json(shelf.recording).decode(),
        "profiler": profiler,
        "reading": f"{folder}.reading",
        "target": f"{folder}.report",
        "renderers": renderers,
    }


def _answers(jobs: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Yield the answers to each job; of one that its process does not survive, `dies` or `hangs`."""
    limits = {"memory_bytes": 2 << 30, "seconds": 3600, "output_bytes": 256 << 20}
    waiting = list(jobs)
    while waiting:
        with subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.read_many"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdin.write(json.dumps(limits) + "\n")
            alive = True
            while waiting and alive:
                what, question = waiting.pop(0)
                try:
                    reader.stdin.write(json.dumps(question) + "\n")
                    reader.stdin.flush()
                except BrokenPipeError:
                    pass
                ready, _, _ = select.select([reader.stdout], [], [], 120.0)
                line = reader.stdout.readline() if ready else ""
                alive = line.endswith("\n")
                yield what, json.loads(line) if alive else "dies" if ready else "hangs"
            reader.kill()


def test_a_reader_meets_its_limit_of_memory(tmp_path: Path, recorded: Recorded) -> None:
    """A capture that declares more than memory holds is refused within the limits that are given."""
    header = json.loads(recorded.files["cpu"]["cpu.json"])
    header["looks"]["frames"] *= 40_000
    shelf = FolderShelf(
        recorded.recording,
        "cpu",
        write({"cpu.json": json.dumps(header).encode()}, tmp_path / "x"),
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(CaptureError, match=r"memory|crashed|failed"):
        make_reading(
            shelf.recording,
            shelf.capture,
            tmp_path / "x",
            scratch,
            Limits(memory_bytes=200 << 20, seconds=60.0),
        )
