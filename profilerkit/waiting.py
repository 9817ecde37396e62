"""Tell of recordings that wait for their upload, and why, by what ship has noted in their spools.

Standard library only: recorded processes ask.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from profilerkit import spool

LOOKED_AT = 8
"""So many of the oldest spools tell of all: a store that refuses one refuses the others."""


class Waiting(NamedTuple):
    """Recordings that are still on this host because an upload has failed."""

    spools: int
    """How many there are, with those of what is being recorded."""
    reason: str


def find_waiting(root: Path) -> Waiting | None:
    """Return what waits under a folder of spools; None when no upload of the oldest ones has failed."""
    try:
        names = sorted(each for each in os.listdir(root) if not each.startswith("."))
    except OSError:
        return None
    reasons = (why_waiting(root / each) for each in names[:LOOKED_AT])
    reason = next((each for each in reasons if each is not None), None)
    return None if reason is None else Waiting(len(names), reason)


def why_waiting(folder: Path) -> str | None:
    """Return why a spool could not be uploaded so far, in one line; None when nobody has said so."""
    noted = (spool.read_json(folder / spool.SHIP) or {}).get("error")
    found = str(noted) if noted else _last_line(folder / spool.LOG)
    return " ".join(found.split()) or None


def _last_line(log: Path) -> str:
    """Return the last line of a watcher's log: ship tells there what kept it from even beginning."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    told = [each.partition(" profilerkit.ship ")[2] for each in lines]
    return next((each for each in reversed(told) if each), "")
