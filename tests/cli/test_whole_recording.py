"""One command records with three profilers at once, and everything can be read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zstandard

from tests.lab import Lab

from .conftest import ETL


def etl_of(lab: Lab) -> str:
    """Return the id of the recording with all profilers."""
    return next(str(each["id"]) for each in lab.list() if each["names"]["name"] == "etl")


def folder_of(lab: Lab, recording: str) -> Path:
    """Return a recording's folder in the store."""
    (found,) = lab.store.glob(f"recordings/**/{recording}")
    return found


def callers(flamegraph: dict[str, Any], function: str) -> list[list[str]]:
    """Return the call paths, outermost first, that end in a function."""
    names = flamegraph["frames"]["function"]
    roots = flamegraph["frames"]["root"]
    parents, nodes = flamegraph["nodes"]["parent"], flamegraph["nodes"]["frame"]
    paths = []
    for node, frame in enumerate(nodes):
        if frame >= 0 and names[frame] == function:
            path, here = [], node
            while nodes[here] >= 0:
                if roots[nodes[here]] != "thread":
                    path.append(names[nodes[here]])
                here = parents[here]
            paths.append(path[::-1])
    return paths


def test_three_profilers_in_one_recording(filled: Lab) -> None:
    """Each capture is complete, and its numbers and stacks are those of the program."""
    shown = filled.show(etl_of(filled))
    assert (shown["status"], shown["outcome"]) == ("complete", "success")
    assert {each["profiler"]: each["status"] for each in shown["captures"]} == {
        "resources": "complete",
        "cpu": "complete",
        "memray": "complete",
    }
    assert shown["warnings"] == []
    memory, time = shown["hot"]["memray"], shown["hot"]["cpu"]
    assert memory[0]["function"] in ("load", "<listcomp>")
    assert memory[0]["unit"] == "bytes"
    assert 40_000_000 <= sum(row["self"] for row in memory) < 45_000_000
    assert (time[0]["function"], time[0]["unit"]) == ("crunch", "seconds")
    assert 0.35 < time[0]["self"] < 1.0
    assert 40_000_000 <= shown["summary"]["peak_heap_bytes"] < shown["summary"]["peak_rss_bytes"]
    assert shown["summary"]["cpu_seconds"] >= time[0]["self"]


def test_stacks_begin_with_the_programs_own_frame(filled: Lab) -> None:
    """No frame of ours lies under the program's: its module is the outermost one."""
    recording = etl_of(filled)
    for report, function in (("memray.flamegraph-data", "load"), ("cpu.flamegraph-data", "crunch")):
        done = filled.command("report", recording, report)
        assert done.returncode == 0, done.stderr
        paths = callers(json.loads(done.stdout), function)
        assert paths
        assert all(path == ["<module>", function] for path in paths), paths


def test_hot_rows_are_at_most_fifty_and_sorted(filled: Lab) -> None:
    """`hot` is by self value, descending."""
    for rows in filled.show(etl_of(filled))["hot"].values():
        values = [row["self"] for row in rows]
        assert 0 < len(values) <= 50
        assert values == sorted(values, reverse=True)


def test_raw_captures_are_stored_compressed_and_no_html_unasked(lab: Lab) -> None:
    """Everything under raw/ is zstd; HTML appears only when a report was asked for."""
    assert lab.start("-q", lab.script(ETL).name).wait(60) == 0
    lab.wait_shipped()
    shown = lab.show()
    folder = folder_of(lab, shown["id"])
    raw = [path for path in folder.glob("*/raw/**/*") if path.is_file()]
    assert {path.relative_to(folder).parts[0] for path in raw} == {"memray", "cpu", "resources"}
    for path in raw:
        assert path.suffix == ".zst"
        assert zstandard.get_frame_parameters(path.read_bytes()[:64]) is not None
    assert not list(lab.store.rglob("*.html"))
    assert lab.command("report", "latest", "memray.flamegraph").returncode == 0
    assert len(list(lab.store.rglob("*.html"))) == 1


def test_every_report_can_be_made(filled: Lab, tmp_path: Path) -> None:
    """Each report that is offered is rendered, also a second time from what was kept."""
    recording = etl_of(filled)
    reports = [line.split()[0] for line in filled.command("report", recording).stdout.splitlines()[1:]]
    assert {"memray.flamegraph", "memray.stats", "cpu.tree"} <= set(reports)
    for profiler in ("memray", "cpu"):
        for name in ("flamegraph-data", "hot", "speedscope", "timeline"):
            assert f"{profiler}.{name}" in reports
    assert "resources.timeline" in reports
    for report in reports:
        made = []
        for number in range(2):
            target = tmp_path / f"{report}-{number}"
            done = filled.command("report", recording, report, "-o", str(target))
            assert done.returncode == 0, done.stderr
            made.append(target.read_bytes())
        assert made[0]
        assert made[0] == made[1]
