"""Backends of a third party: one gives functions only, one timelines, one stacks, one means harm."""

from __future__ import annotations

import cProfile
import gc
import json
import pstats
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from attrs import define, field

from profilerkit.interfaces import CaptureFiles, Profiler, ReportRenderer, Source
from profilerkit.model import Capture, Target
from profilerkit.reading import Frame, FunctionStat, Metric, Reading, Timeline

ATTACK = "<img src=x onerror=window.hacked=1>"
SCRIPT = "</script><script>window.hacked=2</script>"

PAGE = """<!doctype html><title>harm</title><body><p id="harm">harm was tried</p><script>
const tried = {};
const attempt = (name, act) => {
  try { tried[name] = act() ?? "done"; } catch (error) { tried[name] = error.name; }
};
attempt("cookie", () => document.cookie);
attempt("parent", () => { parent.document.title = "hacked"; });
attempt("top", () => { top.location = "about:blank"; });
fetch("/").then(() => { tried.fetch = "done"; }, (error) => { tried.fetch = error.name; })
  .finally(() => { document.body.dataset.tried = JSON.stringify(tried); });
</script>"""


@define
class Calls(Profiler):
    """Functions only, from cProfile."""

    title = "Calls (cProfile)"
    _folder: Path = field(default=Path(), init=False)
    _profile: Any = field(default=None, init=False)

    def claims(self) -> frozenset[str]:
        return frozenset({"sys.setprofile"})

    def start(self, folder: Path, target: Target) -> None:
        self._folder, self._profile = folder, cProfile.Profile()
        self._profile.enable()

    def stop(self) -> None:
        self._profile.disable()
        rows = pstats.Stats(self._profile).stats.items()  # type: ignore[attr-defined]
        found = [(*place, calls, own, total) for place, (calls, _, own, total, _) in rows]
        (self._folder / "calls.json").write_text(json.dumps(found))

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        builder = capture.stack_builder(Metric("time", "seconds"))
        rows = json.loads((capture.folder / "calls.json").read_text())
        functions = tuple(
            FunctionStat(builder.frame(name, file, line), own, total, calls)
            for file, line, name, calls, own, total in rows
        )
        return Reading(functions=functions, functions_metric=Metric("time", "seconds"))


@define
class Blocks(Profiler):
    """Timelines only: how many blocks the interpreter holds, in a unit of its own, and collections."""

    title = "Blocks"
    _folder: Path = field(default=Path(), init=False)
    _points: list[tuple[float, int, int]] = field(factory=list, init=False)
    _ended: threading.Event = field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self, folder: Path, target: Target) -> None:
        self._folder = folder
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(0.05):
            collections = sum(each["collections"] for each in gc.get_stats())
            self._points.append((time.monotonic() - began, sys.getallocatedblocks(), collections))

    def stop(self) -> None:
        self._ended.set()
        (self._folder / "blocks.json").write_text(json.dumps(self._points))

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        points = json.loads((capture.folder / "blocks.json").read_text())
        times, blocks, collections = zip(*points, strict=True) if points else ((), (), ())
        return Reading(
            timelines=(
                Timeline("blocks", "blocks", list(times), list(blocks)),
                Timeline("collections", "count", list(times), list(collections)),
            )
        )


@define
class Stacks(Profiler):
    """Stacks only: what stood on the main thread's stack, looked at every 5 ms."""

    title = "Stacks (acme)"
    _folder: Path = field(default=Path(), init=False)
    _found: list[list[tuple[str, str, int]]] = field(factory=list, init=False)
    _ended: threading.Event = field(factory=threading.Event, init=False)

    def start(self, folder: Path, target: Target) -> None:
        self._folder = folder
        threading.Thread(target=self._look, args=(threading.get_ident(),), daemon=True).start()

    def _look(self, thread: int) -> None:
        while not self._ended.wait(0.005):
            stack = traceback.extract_stack(sys._current_frames()[thread])
            self._found.append([(each.name, each.filename, each.lineno or 0) for each in stack])

    def stop(self) -> None:
        self._ended.set()
        (self._folder / "stacks.json").write_text(json.dumps(self._found))

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        builder = capture.stack_builder(Metric("looks", "count"))
        for stack in json.loads((capture.folder / "stacks.json").read_text()):
            builder.add([tuple(frame) for frame in stack], [1.0])
        return Reading(stacks=builder.build())


@define
class Hostile(Profiler):
    """Harmful names wherever a backend can put one."""

    title = f"Harm {ATTACK}{SCRIPT}"

    def start(self, folder: Path, target: Target) -> None:
        (folder / "capture.txt").write_text("harm")

    def stop(self) -> None:
        pass

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        builder = capture.stack_builder(Metric(ATTACK, SCRIPT))
        builder.add(
            [(SCRIPT, f"/{ATTACK}", 1), (ATTACK, f"/{SCRIPT}", 2), ("__proto__", "constructor", 3)], [3.0]
        )
        builder.add(
            [(SCRIPT, f"/{ATTACK}", 1), ("\u202egnp.exe\x1b]0;harm\x07", "\r\nSet-Cookie: harm=1", 4)], [2.0]
        )
        metric = Metric(ATTACK, SCRIPT)
        return Reading(
            summary={f"{ATTACK}_bytes": 1.0},
            timelines=(Timeline(ATTACK, SCRIPT, [0.0, 0.1, 0.2], [1.0, 3.0, 2.0]),),
            stacks=builder.build(),
            functions=(FunctionStat(Frame(ATTACK, SCRIPT, 1), 1.0, 2.0, 3),),
            functions_metric=metric,
            notes=(f"{ATTACK}{SCRIPT}",),
        )


@define
class ListRenderer(ReportRenderer):
    """The functions with the most calls."""

    title = "Most called"
    filename = "calls.txt"

    def accepts(self, capture: Capture) -> bool:
        return capture.profiler == "acme-calls"

    def render(self, source: Source, target: Path) -> None:
        rows = sorted(source.reading.functions, key=lambda each: -(each.calls or 0))[:20]
        target.write_text("\n".join(f"{row.calls:>9} {row.frame.function}" for row in rows))


@define
class HostileRenderer(ReportRenderer):
    """A page that tries to get out."""

    title = f"Page {ATTACK}"
    filename = "page.html"

    def accepts(self, capture: Capture) -> bool:
        return capture.profiler == "acme-hostile"

    def render(self, source: Source, target: Path) -> None:
        target.write_text(PAGE)
