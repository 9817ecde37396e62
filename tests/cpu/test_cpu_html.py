"""The cpu profiler's page shows the call tree, obeys no name, opens no file and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from cpu_recording import record

from profilerkit.errors import CaptureError
from profilerkit.interfaces import Source
from profilerkit.reading import Frame, Metric, Reading, StackBuilder, StackTree
from profilerkit.testing import RendererTests
from profilerkit.testing.readings import HOSTILE_NAMES, chain, sample_readings, sample_source
from profilerkit_cpu.page import HtmlRenderer

CPU, WALL = Metric("cpu", "seconds"), Metric("wall", "seconds")


def as_seconds(tree: StackTree) -> StackTree:
    """Return a tree whose first numbers are wall seconds."""
    return evolve(tree, metrics=(WALL, *tree.metrics[1:]))


class TestHtml(RendererTests):
    """The page is what every report must be."""

    renderer_class = HtmlRenderer
    profiler_name = "cpu"

    def sources(self, folder: Path) -> Iterable[Source]:
        """Give the suite's readings wall seconds."""
        for reading in sample_readings().values():
            if reading.stacks is not None:
                reading = evolve(reading, stacks=as_seconds(reading.stacks))
            yield sample_source(reading, folder, profiler="cpu")


del RendererTests


class Page(HTMLParser):
    """A page as a browser reads it: its elements, and what is in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[str] = []
        self.scripts: list[str] = []
        self.policy = ""
        self.words = ""
        self._data = self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element, and the policy."""
        self.elements.append(tag)
        found = dict(attributes)
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        self._inside = found.get("id") or tag

    def handle_data(self, data: str) -> None:
        """Note scripts, the data, and words of paragraphs."""
        if self._inside == "data" and not self._data:
            self._data = data
        elif self._inside == "script":
            self.scripts.append(data)
        elif self._inside == "p":
            self.words += data

    def handle_endtag(self, tag: str) -> None:
        """What follows is in no element of interest."""
        self._inside = ""

    @property
    def data(self) -> dict[str, Any]:
        """Return what the script shows."""
        found: dict[str, Any] = json.loads(self._data)
        return found


def render(folder: Path, reading: Reading, **options: Any) -> Page:
    """Return the page of a reading."""
    target = folder / "page.html"
    target.unlink(missing_ok=True)
    HtmlRenderer(**options).render(sample_source(reading, folder, profiler="cpu"), target)
    return Page(target.read_text(encoding="utf-8"))


def reading_of(*stacks: tuple[str, float, float]) -> Reading:
    """Return a reading of stacks such as `own:main lib:call`, each with CPU and wall seconds."""
    builder = StackBuilder((CPU, WALL), roots={"own": "/app", "lib": "/lib"})
    for stack, cpu, wall in stacks:
        parts = [each.split(":") for each in stack.split()]
        frames = [(name, f"/{'app' if root == 'own' else 'lib'}/{name}.py", 1) for root, name in parts]
        builder.add(frames, (cpu, wall))
    return Reading(summary={"wall_seconds": 4.0, "cpu_seconds": 1.0}, stacks=builder.build())


def outline(frame: dict[str, Any]) -> Any:
    """Return function, seconds and callees of a frame of the page's data."""
    children = [outline(each) for each in frame["children"]]
    return (frame["identifier"].split("\0")[0], round(frame["time"], 6), *([children] if children else []))


def check_sums(frame: dict[str, Any]) -> int:
    """Check that callees make up each frame's time; return how many frames there are."""
    waiting, count = [frame], 0
    while waiting:
        each = waiting.pop()
        count += 1
        if each["children"]:
            assert sum(child["time"] for child in each["children"]) == pytest.approx(each["time"], abs=1e-6)
        waiting += each["children"]
    return count


# -- what it shows ------------------------------------------------------------------------------


def test_the_tree(tmp_path: Path) -> None:
    """Callees are below their callers, the largest first, with what a caller took itself."""
    page = render(tmp_path, reading_of(("own:main own:load", 0.5, 1.0), ("own:main", 0.5, 3.0)))
    main = ("main", 4.0, [("load", 1.0), ("[self]", 3.0)])
    assert outline(page.data["frame_tree"]) == main
    several = render(
        tmp_path, reading_of(("own:main own:load", 0.5, 1.0), ("own:main", 0.5, 3.0), ("own:f", 0, 1))
    )
    assert outline(several.data["frame_tree"]) == ("[root]", 5.0, [main, ("f", 1.0), ("[self]", 0.0)])
    assert page.data["session"]["duration"] == 4.0


def test_cpu_time(tmp_path: Path) -> None:
    """The other metric is CPU time, and the page says so."""
    page = render(tmp_path, reading_of(("own:main", 0.5, 3.0)), metric="cpu")
    assert page.data["frame_tree"]["time"] == 0.5
    assert "Times are CPU seconds." in page.words


def test_own_code_is_told_apart(tmp_path: Path) -> None:
    """Files that are not the user's begin as the session says, and the user's never do."""
    builder = StackBuilder((WALL,), roots={"own": "/app", "lib": "/lib"})
    builder.add([("a", "/app/lib/a.py", 1), ("b", "/lib/b.py", 2), ("c", "/app/constructor", 3)], (1.0,))
    page = render(tmp_path, Reading(stacks=builder.build()))
    frame, files = page.data["frame_tree"], []
    while len(frame["identifier"].split("\0")) > 1:
        files.append(frame["identifier"].split("\0")[1])
        frame = (frame["children"] or [{"identifier": ""}])[0]
    assert files == ["./lib/a.py", "lib/b.py", "./constructor"]
    assert page.data["session"]["sys_prefixes"] == ["lib/"]


def test_waits_of_coroutines(tmp_path: Path) -> None:
    """They are what pyinstrument draws as such."""
    builder = StackBuilder((WALL,), roots={"own": "/app"})
    builder.add([("main", "/app/a.py", 1), ("[await]", "<await>", 0)], (1.0,))
    page = render(tmp_path, Reading(stacks=builder.build()))
    assert page.data["frame_tree"]["children"][0]["identifier"] == "[await]"


@pytest.mark.parametrize("engine", ["sampler", "pyinstrument"])
def test_both_engines(tmp_path: Path, engine: str) -> None:
    """Captures of either engine have a page, with the notes of the recording."""
    recorded = record(tmp_path, "def wait(): doze(0.3)\nspin(0.2)\nwait()\n", engine=engine)
    page = render(tmp_path, recorded.reading)
    assert '"wait\\u0000' in page.text
    assert check_sums(page.data["frame_tree"]) > 3
    assert ("one thread (MainThread)" in page.words) is (engine == "pyinstrument")


# -- how much -----------------------------------------------------------------------------------


def test_large_trees_are_pruned(tmp_path: Path) -> None:
    """The largest calls are there, and what is not is told, in the tree and in words."""
    tree = as_seconds(sample_readings()["large"].stacks)  # type: ignore[arg-type]
    page = render(tmp_path, Reading(stacks=tree), max_calls=500)
    frame = page.data["frame_tree"]
    assert frame["time"] == pytest.approx(sum(tree.self_values[0]))
    assert 500 < check_sums(frame) < 2000
    assert re.search(r"\d+ of \d+ calls are not shown", page.words)
    assert "(calls not shown)" in page.text


def test_deep_trees_are_cut(tmp_path: Path) -> None:
    """Calls nested deeper than the limit are not shown; nothing recurses over the tree."""
    page = render(tmp_path, Reading(stacks=as_seconds(chain(20_000))), max_calls=50_000, max_depth=1000)
    assert page.text.count("recurse\\u0000") == 1000
    assert "19000 of 20000 calls are not shown" in page.words


def test_a_full_capture_has_a_page_of_bounded_size(tmp_path: Path) -> None:
    """A tree of 100,000 nodes makes a page that a browser opens."""
    count = 100_000
    frames = tuple(Frame(f"f{number}", f"m{number % 50}.py", 1, "own") for number in range(1000))
    tree = StackTree(
        (WALL,),
        frames,
        parents=[-1, *(number // 7 for number in range(count - 1))],
        frame_ids=[-1, *(number % 997 for number in range(count - 1))],
        self_values=([float(number % 13) for number in range(count)],),
    )
    page = render(tmp_path, Reading(stacks=tree))
    assert len(page.text) < 5_000_000


# -- what it must not do ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "\u2028", "\u2029", "__proto__", "]]>", "\x00\x00"])
def test_hostile_names_are_text(tmp_path: Path, name: str) -> None:
    """As a function, file, thread or note a name changes no element of the page."""
    plain = render(tmp_path, named("plain"))
    page = render(tmp_path, named(name))
    assert page.elements == plain.elements
    assert page.scripts == plain.scripts
    assert check_sums(page.data["frame_tree"]) == check_sums(plain.data["frame_tree"])


def named(name: str) -> Reading:
    """Return a reading that has a name wherever it can be."""
    frames = (Frame(name, name, 1, "own"), Frame(f"thread {name}", f"(threads)/{name}", 0, "thread"))
    frames += (Frame(name, name, 1, name), Frame(name, name, 2, "stdlib"), Frame(name, "<built-in>", 0, ""))
    count = len(frames)
    return Reading(
        stacks=StackTree(
            (WALL,), frames, [-1, *range(count)], [-1, *range(count)], ([0.0, *([1.0] * count)],)
        ),
        notes=(name,),
    )


def test_the_policy_allows_the_pages_own_scripts_alone(tmp_path: Path) -> None:
    """Scripts are allowed by what they are; nothing may be loaded, sent or framed."""
    page = render(tmp_path, named("plain"))
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in page.scripts]
    assert len(digests) == 3
    allowed = next(each for each in page.policy.split("; ") if each.startswith("script-src"))
    assert allowed.split()[1:] == [f"'sha256-{each}'" for each in digests]
    assert "default-src 'none'" in page.policy
    assert "script" not in page.policy.replace(allowed, "")


def test_no_address_of_another_host(tmp_path: Path) -> None:
    """pyinstrument's page loads fonts from the web; this one names no host at all."""
    text = render(tmp_path, named("plain")).text
    assert set(re.findall(r"https?://[^/\"'`\s]+", text)) <= {"http://www.w3.org"}
    assert "googleapis" not in text


def test_files_that_a_capture_names_are_never_opened(tmp_path: Path) -> None:
    """A capture that names a secret, a pipe and a device gives a page without a line of them."""
    secret, pipe = tmp_path / "secret.py", tmp_path / "pipe.py"
    secret.write_text("PASSWORD = 'hunter2'\n" * 50)
    os.mkfifo(pipe)
    builder = StackBuilder((WALL,), roots={})
    for path in (secret, pipe, "/dev/zero", "/etc/passwd"):
        builder.add([("f", str(path), 1)], (1.0,))
    page = render(tmp_path, Reading(stacks=builder.build()))
    assert "/etc/passwd" in page.text
    assert "hunter2" not in page.text
    assert "root:x:0" not in page.text


def test_what_cannot_be_rendered(tmp_path: Path) -> None:
    """No stacks, no such metric and impossible times are told in words."""
    with pytest.raises(CaptureError, match="no stacks"):
        render(tmp_path, Reading())
    builder = StackBuilder((WALL,))
    builder.add([("f", "/f.py", 1)], (1.0,))
    with pytest.raises(CaptureError, match="no cpu time"):
        render(tmp_path, Reading(stacks=builder.build()), metric="cpu")
    builder.add([("f", "/f.py", 1)], (float("nan"),))
    with pytest.raises(CaptureError, match="not possible"):
        render(tmp_path, Reading(stacks=builder.build()))


def test_without_pyinstrument() -> None:
    """It says what to install; with it, pyinstrument itself is not imported to make a page."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from profilerkit.testing.readings import sample_source\n"
        "from profilerkit.reading import Metric, Reading, StackBuilder\n"
        "from profilerkit_cpu.page import HtmlRenderer\n"
        "builder = StackBuilder((Metric('wall', 'seconds'),)); builder.add([('f', '/f.py', 1)], (1.0,))\n"
        "source = sample_source(Reading(stacks=builder.build()), Path('.'), profiler='cpu')\n"
        "HtmlRenderer().render(source, Path('/dev/null'))\n"
        "print('pyinstrument' in sys.modules)\n"
        "sys.modules['pyinstrument'] = None  # as if it were not there\n"
        "try: HtmlRenderer().render(source, Path('/dev/null'))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "False"
    assert second.startswith("UnavailableError This page is pyinstrument's, which is not installed.")
    assert 'pip install "profilerkit[cpu]"' in second
