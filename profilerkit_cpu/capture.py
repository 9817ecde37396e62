"""Write what is known so far into one file, whole or not at all; the format is in the reference."""

from __future__ import annotations

import json
import os
import sys
from array import array
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profilerkit_cpu.fold import CallTree

FILENAME = "cpu.json"
FORMAT = 1
HOOK_FORMAT = 2
"""The format of what the pyinstrument engine leaves: it has other keys."""


class CaptureWriter:
    """Write one capture again and again; what was encoded once is kept."""

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / FILENAME)
        self._frames: dict[int, list[str]] = {}

    def encoded(
        self, facts: Mapping[str, Any], trees: Mapping[str, tuple[CallTree, Mapping[str, array[float]]]]
    ) -> bytes:
        """Return the file's content. `trees` gives each tree with the columns that differ from its own."""
        parts = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in facts.items()]
        parts += [f"{json.dumps(key)}:{self._tree(*each)}" for key, each in trees.items()]
        return ("{" + ",\n".join(parts) + "}\n").encode("ascii")

    def put(self, data: bytes) -> None:
        """Replace the file. Nothing is made here that the garbage collector counts. Raises OSError.

        No descriptor is open before or after.
        """
        temporary = f"{self._path}.tmp"
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o600
        )
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, self._path)

    def _tree(self, tree: CallTree, columns: Mapping[str, array[float]]) -> str:
        nodes = tree.node_count
        known = self._frames.setdefault(id(tree), [])
        known += (json.dumps(each) for each in tree.frames[len(known) :])
        parts = [
            f'"frames":[{",".join(known)}]',
            f'"parents":"{encode(tree.parents[:nodes])}"',
            f'"frame_ids":"{encode(tree.frame_ids[:nodes])}"',
        ]
        for name, column in tree.columns.items():
            parts.append(f'"{name}":"{encode(columns.get(name, column)[:nodes])}"')
        return "{" + ",\n".join(parts) + "}"


def encode(numbers: array[Any]) -> str:
    """Return numbers as base64 of their little-endian bytes."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return b64encode(numbers.tobytes()).decode("ascii")
