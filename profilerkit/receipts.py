"""Leave a receipt for each recording that was shipped, for a host that reports numbers elsewhere.

Only recordings whose plan asks for them (`settings.receipts`) get one. A receipt is a small file beside
the spools; whoever takes it is the only one that does. Standard library only: recorded processes take.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = ".receipts"
MOST = 1000
"""How many are kept when nobody takes them; the oldest go."""


def leave(root: Path, receipt: Mapping[str, Any]) -> None:
    """Write the receipt of a recording, in one step; a full disk leaves none."""
    folder = root / FOLDER
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        names = sorted(each for each in os.listdir(folder) if not each.startswith("."))
        for name in names[: max(0, len(names) - MOST + 1)]:
            (folder / name).unlink(missing_ok=True)
        temporary = folder / f".{receipt['id']}.tmp"
        temporary.write_text(json.dumps(receipt), encoding="utf-8")
        temporary.replace(folder / f"{receipt['id']}.json")


def take(root: Path, limit: int = 100) -> Iterator[dict[str, Any]]:
    """Yield receipts, oldest first, each to one caller on this host only."""
    folder = root / FOLDER
    try:
        names = sorted(each for each in os.listdir(folder) if each.endswith(".json"))[:limit]
    except OSError:
        return
    for name in names:
        mine = folder / f".{name}-{os.getpid()}"
        with contextlib.suppress(OSError, ValueError):
            (folder / name).rename(mine)
            text = mine.read_text(encoding="utf-8")
            mine.unlink()
            receipt = json.loads(text)
            if isinstance(receipt, dict):
                yield receipt
