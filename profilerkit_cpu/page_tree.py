"""Write a call tree as the data of pyinstrument's page, as much of it as a browser bears."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from attrs import frozen

from profilerkit.errors import CaptureError
from profilerkit.reading import Frame
from profilerkit_cpu.calls import Call
from profilerkit_cpu.hook import AWAIT, OUT_OF_CONTEXT
from profilerkit_cpu.renderers import printable

ROOT, SELF = "[root]", "[self]"
SYNTHETIC = {each[:2]: each[0] for each in (AWAIT, OUT_OF_CONTEXT)}
"""By function and file, the names of frames that the page draws in a way of its own."""

THREAD = "thread"
"""The label of frames that name a thread."""
UNKNOWN = "?"
"""Stands for the label of files that are under no known folder and are not the user's."""

MARKUP = re.compile("[<>&\x7f]")


@frozen
class PageTree:
    """A call tree as JSON."""

    text: str
    seconds: float
    foreign: list[str]
    """How files begin that are not the user's own."""
    left_out: str | None
    """What is not shown, in words."""


def page_tree(
    whole: Call, seconds_of: Callable[[Call], float], *, max_calls: int, max_depth: int
) -> PageTree:
    """Return the largest calls, and what the others took together below their caller.

    Raises CaptureError for times that cannot be.
    """
    seconds = seconds_of(whole)
    if not math.isfinite(seconds):
        raise CaptureError("The capture holds times that are not possible.")
    calls = list(whole.descendants())
    sizes = sorted(map(seconds_of, calls), reverse=True)
    least = sizes[max_calls] if len(sizes) > max_calls else 0.0
    foreign = sorted({f"{_label(each.frame)}/" for each in calls if not each.frame.is_own})
    writer = _Writer(seconds_of, least, max_depth, tuple(foreign))
    text = writer.text(whole) if seconds > 0 else "null"
    left_out = None
    if writer.left_out:
        left_out = (
            f"{writer.left_out} of {len(calls)} calls are not shown: they are small, or nested too deep."
        )
    return PageTree(text, seconds, foreign, left_out)


def json_text(value: Any) -> str:
    """Return JSON in ASCII that is no markup, wherever in a page it stands."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return MARKUP.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class _Writer:
    """Writes calls that take more than `least` seconds."""

    def __init__(
        self, seconds_of: Callable[[Call], float], least: float, max_depth: int, foreign: tuple[str, ...]
    ) -> None:
        self.left_out = 0
        self._seconds_of = seconds_of
        self._least = least
        self._max_depth = max_depth
        self._foreign = foreign

    def text(self, whole: Call) -> str:
        """Return the tree. Not recursive: a stack may be deeper than Python lets a function call itself."""
        parts: list[str] = []
        outermost = [each for each in whole.children.values() if self._seconds_of(each)]
        alone = len(outermost) == 1 and self._seconds_of(outermost[0]) == self._seconds_of(whole)
        waiting: list[str | tuple[Call, int]] = [(outermost[0], 1) if alone else (whole, 0)]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                parts.append(item)
                continue
            call, depth = item
            kept, leaves = self._below(call, depth)
            below: list[str | tuple[Call, int]] = [*((each, depth + 1) for each in kept), *leaves]
            identifier = self._identifier(call.frame) if depth else ROOT
            parts.append(_opening(identifier, self._seconds_of(call)))
            waiting.append("]}")
            for number, each in enumerate(reversed(below)):
                waiting += [",", each] if number else [each]
        return "".join(parts)

    def _below(self, call: Call, depth: int) -> tuple[list[Call], list[str]]:
        """Return the calls to show below one, largest first, and leaves for the rest of its time."""
        seconds_of = self._seconds_of
        kept: list[Call] = []
        hidden: list[Call] = []
        for each in call.children.values():
            show = depth < self._max_depth and seconds_of(each) > self._least
            (kept if show else hidden).append(each)
        kept.sort(key=lambda each: (-seconds_of(each), each.frame.function, each.frame.path))
        whole, rest = (math.fsum(map(seconds_of, each)) for each in (call.children.values(), hidden))
        self.left_out += len(hidden) + sum(1 for each in hidden for _ in each.descendants())
        leaves = []
        if rest > 0:
            leaves.append(_opening("(calls not shown)\x00<not shown>\x000", rest) + "]}")
        if leaves or kept:
            leaves.append(_opening(SELF, max(0.0, seconds_of(call) - whole)) + "]}")
        return kept, leaves

    def _identifier(self, frame: Frame) -> str:
        synthetic = SYNTHETIC.get((frame.function, frame.path))
        if synthetic is not None:
            return synthetic
        return f"{printable(frame.function) or '(no name)'}\x00{self._file(frame)}\x00{max(0, frame.line)}"

    def _file(self, frame: Frame) -> str:
        """Return a file so that the page can tell the user's own by its beginning."""
        path = printable(frame.path)
        if frame.root == THREAD:
            return "<thread>"
        if not frame.is_own:
            return path if path.startswith("<") else f"{_label(frame)}/{path}"
        # The page looks names up in an object, which has some of its own, such as `constructor`.
        plain = re.search(r"[./<]", path) and not path.startswith(self._foreign)
        return path if plain else f"./{path}"


def _label(frame: Frame) -> str:
    return printable(frame.root) or UNKNOWN


def _opening(identifier: str, seconds: float) -> str:
    return f'{{"identifier":{json_text(identifier)},"time":{seconds:.9f},"attributes":{{}},"children":['
