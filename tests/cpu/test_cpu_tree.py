"""The call tree as text."""

from __future__ import annotations

from pathlib import Path

from profilerkit.reading import Metric, Reading, StackBuilder
from profilerkit.testing.readings import sample_source
from profilerkit_cpu.renderers import TreeRenderer, printable

CPU, WALL = Metric("cpu", "seconds"), Metric("wall", "seconds")


def draw(folder: Path, reading: Reading, **options: object) -> list[str]:
    """Return the lines of the tree, without the heading."""
    target = folder / "cpu-tree.txt"
    target.unlink(missing_ok=True)
    source = sample_source(reading, folder, profiler="cpu")
    TreeRenderer(**options).render(source, target)  # type: ignore[arg-type]
    lines = target.read_text(encoding="utf-8").splitlines()
    return lines[lines.index(next(each for each in lines if each.strip().startswith("wall "))) + 1 :]


def reading_of(*stacks: tuple[str, float, float]) -> Reading:
    """Return a reading of stacks such as `own:main lib:call`, each with CPU and wall seconds."""
    builder = StackBuilder((CPU, WALL), roots={"own": "/app", "lib": "/lib"})
    for stack, cpu, wall in stacks:
        parts = [each.split(":") for each in stack.split()]
        frames = [(name, f"/{'app' if root == 'own' else 'lib'}/{name}.py", 1) for root, name in parts]
        builder.add(frames, (cpu, wall))
    wall_seconds = sum(wall for _, _, wall in stacks)
    return Reading(summary={"wall_seconds": wall_seconds}, stacks=builder.build())


def test_tree(tmp_path: Path) -> None:
    """Callees are below their callers, the largest first, your own code marked."""
    reading = reading_of(
        ("own:main own:load", 0.5, 1.0), ("own:main own:parse lib:decode", 6.0, 6.0), ("own:main", 0.0, 3.0)
    )
    assert draw(tmp_path, reading) == [
        "   10.000s 100.0%     6.500s > main  main.py:1",
        "    6.000s  60.0%     6.000s > ├ parse  parse.py:1",
        "    6.000s  60.0%     6.000s   │ └ decode  decode.py:1",
        "    1.000s  10.0%     0.500s > └ load  load.py:1",
    ]


def test_without_cpu_time(tmp_path: Path) -> None:
    """Where a capture has no CPU time of each call none is shown, rather than nought."""
    builder = StackBuilder((WALL,), roots={"own": "/app"})
    builder.add([("main", "/app/main.py", 1)], (2.0,))
    reading = Reading(summary={"wall_seconds": 2.0}, stacks=builder.build())
    assert draw(tmp_path, reading) == ["    2.000s 100.0%          - > main  main.py:1"]


def test_small_calls_are_left_out(tmp_path: Path) -> None:
    """A call with less than the share of both wall and CPU time is not drawn."""
    reading = reading_of(("own:main", 1.0, 100.0), ("own:rare", 0.0, 0.5), ("own:quick", 0.5, 0.5))
    drawn = " ".join(draw(tmp_path, reading))
    assert "quick" in drawn
    assert "rare" not in drawn


def test_lines_are_bounded(tmp_path: Path) -> None:
    """Of many calls the largest are drawn."""
    reading = reading_of(*((f"own:f{number}", 0.0, float(number)) for number in range(1, 60)))
    drawn = draw(tmp_path, reading, max_lines=10, min_percent=0.0)
    assert len(drawn) == 10
    assert "f59" in drawn[0]


def test_chains_in_packages_are_folded(tmp_path: Path) -> None:
    """Of a chain inside packages its ends are shown, unless all frames are asked for."""
    reading = reading_of(("own:main lib:a lib:b lib:c own:callback", 1.0, 1.0))
    folded, whole = draw(tmp_path, reading), draw(tmp_path, reading, all_frames=True)
    assert [len(folded), len(whole)] == [4, 5]
    assert "1 more" in folded[1]


def test_a_line_is_not_a_call_of_its_own(tmp_path: Path) -> None:
    """A function that was met on two lines is one call, shown with the line that took longest."""
    builder = StackBuilder((CPU, WALL), roots={"own": "/app"})
    builder.add([("main", "/app/a.py", 3)], (1.0, 1.0))
    builder.add([("main", "/app/a.py", 8)], (2.0, 2.0))
    drawn = draw(tmp_path, Reading(summary={"wall_seconds": 3.0}, stacks=builder.build()))
    assert [line.split() for line in drawn] == [["3.000s", "100.0%", "3.000s", ">", "main", "a.py:8"]]


def test_deeper_than_python_goes(tmp_path: Path) -> None:
    """A stack of 5,000 frames is drawn, at a bounded width."""
    builder = StackBuilder((CPU, WALL), roots={"own": "/app"})
    builder.add([(f"f{depth}", "/app/a.py", 1) for depth in range(5000)], (1.0, 1.0))
    drawn = draw(tmp_path, Reading(summary={"wall_seconds": 1.0}, stacks=builder.build()), max_lines=10_000)
    assert len(drawn) == 5000
    assert max(map(len, drawn)) < 200


def test_what_does_not_print() -> None:
    """Control characters and halves of characters are spelled out."""
    assert printable("a\x1b[31m\n\ud800é") == "a\\x1b[31m\\n\\ud800é"
