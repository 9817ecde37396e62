"""Match the functions of two readings, which may come from two deployments of the same code.

A function is its name, whose code it is, and its file below that root; the line does not count. What
differs between deployments is taken out: where a root lies, which of several roots it is (`own-2`), the
folder of packages and Python's minor version in it. Own code whose folder has another name, or that lies
under no root that was known, is matched by the end of its path.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from profilerkit.reading import OWN, UNKNOWN_ROOT, Frame
from profilerkit.stacks.names import SITE_PACKAGES

File = tuple[str, str]
"""A root's label without its number, and a path below it."""

NUMBERED = re.compile(r"(.+?)-\d+")
IN_PACKAGES = re.compile(r"(?:.*/)?(?:site|dist)-packages/(.+)", re.DOTALL)
IN_STDLIB = re.compile(r"/(?:.*/)?lib(?:64)?/python3\.\d+t?/(.+)", re.DOTALL)
DEEPEST = 16
"""Parts at the end of a path that are looked at."""


def matched(a: Iterable[Frame], b: Iterable[Frame]) -> Callable[[Frame], Frame]:
    """Return what turns a frame of either reading into the one that stands for its function in both.

    It has no line. Turning `a` and `b` round gives the same.
    """
    files_a, files_b = _functions_by_file(a), _functions_by_file(b)
    moved = _moved(
        {file: names for file, names in files_a.items() if file not in files_b},
        {file: names for file, names in files_b.items() if file not in files_a},
    )
    known: dict[Frame, Frame] = {}

    def standing_for(frame: Frame) -> Frame:
        found = known.get(frame)
        if found is None:
            file = _file(frame)
            root, path = moved.get(file, file)
            found = known[frame] = Frame(frame.function, path, 0, root)
        return found

    return standing_for


def _file(frame: Frame) -> File:
    """Return the file of a frame as any deployment would have it."""
    numbered = NUMBERED.fullmatch(frame.root)
    root = numbered[1] if numbered else frame.root
    if root in (OWN, UNKNOWN_ROOT, "stdlib") and (packaged := IN_PACKAGES.fullmatch(frame.path)):
        return SITE_PACKAGES, packaged[1]
    if root == UNKNOWN_ROOT and (standard := IN_STDLIB.fullmatch(frame.path)):
        return "stdlib", standard[1]
    return root, frame.path


def _functions_by_file(frames: Iterable[Frame]) -> dict[File, set[str]]:
    found: defaultdict[File, set[str]] = defaultdict(set)
    for frame in frames:
        found[_file(frame)].add(frame.function)
    return found


def _moved(a: Mapping[File, set[str]], b: Mapping[File, set[str]]) -> dict[File, File]:
    """Return for files of own code that only one side has the file that stands for both, where one is clear.

    The longest common end of the paths decides, if it is that of one file of each side only.
    """
    ends = {file: _end(file) for side in (a, b) for file in side if _may_move(file)}
    left_a, left_b = (ends.keys() & side.keys() for side in (a, b))
    moved: dict[File, File] = {}
    for depth in range(DEEPEST, 0, -1):
        files_a, files_b = (_by_end(left, ends, depth) for left in (left_a, left_b))
        for end in files_a.keys() & files_b.keys():
            if len(files_a[end]) > 1 or len(files_b[end]) > 1:
                continue
            (one,), (other,) = files_a[end], files_b[end]
            alone = min(len(ends[one]), len(ends[other])) == 1
            if _the_same(one, other, a[one] & b[other], only_name=depth == 1, alone=alone):
                moved[one] = moved[other] = min(one, other, key=_plainness)
                left_a.discard(one)
                left_b.discard(other)
    return moved


def _may_move(file: File) -> bool:
    root, path = file
    return root == OWN or (root == UNKNOWN_ROOT and not path.startswith("<"))


def _plainness(file: File) -> tuple[bool, int, File]:
    """Return what sorts first the file that is shown: the one under a root of own code, else the shorter."""
    return file[0] != OWN, len(file[1]), file


def _end(file: File) -> tuple[str, ...]:
    """Return the last parts of a path."""
    parts = file[1].rsplit("/", DEEPEST)
    return tuple(part for part in parts[-DEEPEST:] if part)


def _by_end(
    files: Iterable[File], ends: Mapping[File, tuple[str, ...]], depth: int
) -> dict[tuple[str, ...], list[File]]:
    """Return the files by so many last parts of their paths, those that have so many."""
    found: defaultdict[tuple[str, ...], list[File]] = defaultdict(list)
    for file in files:
        if len(ends[file]) >= depth:
            found[ends[file][-depth:]].append(file)
    return found


def _the_same(one: File, other: File, common: set[str], *, only_name: bool, alone: bool) -> bool:
    """Tell whether two files whose paths have the same end are one that lies elsewhere.

    They have a function in common. When it is only the file's name that is the same, that function is
    not called `<module>` or the like, and both lie under no known root, or one right below its own.
    """
    if not only_name:
        return bool(common)
    elsewhere = one[0] == other[0] == UNKNOWN_ROOT
    return (elsewhere or alone) and any(not name.startswith("<") for name in common)
