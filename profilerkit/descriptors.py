"""Keep the descriptors of a recording out of the program's way, and know which they are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

HIGH = (900, 200)
"""Ours lie from here on, so that the program gets the numbers that it is used to.

The first that the limit allows: programs close what they inherited up to 256, or to the limit.
"""
ROOM = 64
"""So many must be free above; with a lower limit of descriptors only 0, 1 and 2 are kept free."""


def lowest() -> int:
    """Return the least number that a descriptor of ours may have."""
    return next((each for each in HIGH if _limit() >= each + ROOM), 3)


@contextlib.contextmanager
def opened_high() -> Iterator[None]:
    """Have what is opened in the block get high numbers: the low ones are all taken for the time.

    A program may run with its standard streams closed, and would write into what is opened there.
    """
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            first = os.open(os.devnull, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
            taken.append(first)
            end = lowest()
            while taken[-1] < end - 1:
                taken.append(os.dup(first))
        yield
    finally:
        for first, last in _runs(taken):
            os.closerange(first, last + 1)  # one call for all: closing them one by one takes a millisecond


def _runs(descriptors: list[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each run of numbers without a gap; they come in order."""
    runs: list[tuple[int, int]] = []
    for each in descriptors:
        if runs and runs[-1][1] == each - 1:
            runs[-1] = (runs[-1][0], each)
        else:
            runs.append((each, each))
    return runs


def opened() -> set[int]:
    """Return the descriptors that this process has open, as far as the system tells."""
    try:
        return {int(each) for each in os.listdir("/proc/self/fd")}
    except OSError:
        return set()


Identity = tuple[int, int]
"""Device and inode of an open file."""


def opened_since(before: set[int], kept: tuple[str, ...]) -> dict[int, Identity]:
    """Return the descriptors opened since `before` whose file's name begins with one of `kept`."""
    found = {}
    for each in opened() - before:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{each}").startswith(kept):
                found[each] = identity(each)
    return found


def identity(descriptor: int) -> Identity:
    """Return which file a descriptor is open on. Raises OSError when it is closed."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _limit() -> int:
    if resource is None:
        return 0
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft
