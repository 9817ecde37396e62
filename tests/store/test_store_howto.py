"""Check that the how-to for stores shows the example as it is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOWTO = (ROOT / "docs" / "howto" / "write-a-store.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", HOWTO, flags=re.DOTALL))


def test_the_module_is_that_of_the_example() -> None:
    """The block of Python is the whole file that it names."""
    path = "examples/profilerkit-sqlite-blob/profilerkit_sqlite_blob.py"
    assert BLOCKS[path] == (ROOT / path).read_text(encoding="utf-8")


def test_the_entry_point_is_that_of_the_example() -> None:
    """The block of TOML is a part of the example's project file."""
    path = "examples/profilerkit-sqlite-blob/pyproject.toml"
    assert BLOCKS[path] in (ROOT / path).read_text(encoding="utf-8")
