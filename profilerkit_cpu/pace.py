"""Say when a capture is to be written, so that a kill at any time leaves nearly all of it."""

from __future__ import annotations

FIRST_WRITE_SECONDS = 0.1
"""When the first write is due, after the beginning."""

EARLY_WRITE_SECONDS, WRITE_SECONDS = 0.2, 1.0
EARLY_SECONDS = 5.0
"""Until here there is a write every 0.2 s, then one every second: a program may be killed soon."""

WRITE_SHARE = 0.02
"""Writing takes no more of the time than this: a large tree is written less often."""


def next_write_seconds(wall_seconds: float, took_seconds: float) -> float:
    """Return when the next write is due, after one at `wall_seconds` that took so much CPU time."""
    pause = EARLY_WRITE_SECONDS if wall_seconds < EARLY_SECONDS else WRITE_SECONDS
    return wall_seconds + max(pause, took_seconds / WRITE_SHARE)
