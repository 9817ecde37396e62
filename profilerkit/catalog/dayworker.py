"""Read compacted days that come on standard input, and answer on standard output.

Started by `daywork.DayWork` as a process of its own, which ends when its input does.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and sys.path[0].endswith("catalog"):
    del sys.path[0]  # this folder: its modules are not top-level ones

import contextlib
import gc
import marshal


def main() -> None:
    """Work until nothing more comes."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    path, sample = marshal.load(questions)
    sys.path += [each for each in path if each not in sys.path]
    from profilerkit.catalog.daywork import serve

    gc.disable()  # there are no cycles in what we make, and very much of it
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        serve(questions, answers, sample)


if __name__ == "__main__":
    main()
