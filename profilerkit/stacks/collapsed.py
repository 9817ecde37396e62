"""Write a call tree as folded stacks, one a line: `a;b;c 123`.

The format is that of https://github.com/brendangregg/FlameGraph, which many viewers read.
"""

from __future__ import annotations

from typing import TextIO

from profilerkit.reading import Frame, StackTree
from profilerkit.stacks.fold import self_column
from profilerkit.stacks.names import printable, shown_file

SCALES = {"seconds": 1e6}
"""Values are whole numbers, so seconds become microseconds."""

UNKNOWN = "<unknown stack>"
UNNAMED = "<unnamed>"
NOTHING = "<nothing> 0\n"
"""What stands for a tree that counts nothing: viewers refuse an empty file."""


def write_collapsed(tree: StackTree, file: TextIO, metric: int = 0, *, lines: bool = True) -> None:
    """Write one line for each node of which the metric counts at least one, rounded.

    A frame is `function (file:line)`; without `lines` it is `function (file)`, and a stack may come
    more than once, which readers add up. Raises CaptureError when a number is not finite.
    """
    scale = SCALES.get(tree.metrics[metric].unit, 1.0)
    names = [_name(frame, lines=lines) for frame in tree.frames]
    parents, frame_ids = list(tree.parents), list(tree.frame_ids)
    written = False
    for leaf, value in enumerate(self_column(tree, metric)):
        count = round(value * scale)
        if count > 0:
            stack, node = [], leaf
            while node > 0:
                stack.append(names[frame_ids[node]])
                node = parents[node]
            file.write(f"{';'.join(reversed(stack)) or UNKNOWN} {count}\n")
            written = True
    if not written:
        file.write(NOTHING)


def _name(frame: Frame, *, lines: bool) -> str:
    """Return a frame's name as one that neither ends a frame nor a line."""
    name = frame.function or UNNAMED
    if frame.path:
        file = shown_file(frame)
        name = f"{name} ({file}:{frame.line})" if lines and frame.line > 0 else f"{name} ({file})"
    return printable(name).replace(";", r"\x3b")
