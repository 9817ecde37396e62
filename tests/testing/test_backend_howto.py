"""Test that the how-to for backends shows the example as it is, and names every attribute of the suites."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profilerkit.testing import ProfilerTests, RendererTests

ROOT = Path(__file__).parents[2]
HOWTO = (ROOT / "docs" / "howto" / "write-a-backend.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", HOWTO, flags=re.DOTALL))


@pytest.mark.parametrize("name", ["profilerkit_tracemalloc.py", "tests/test_tracemalloc.py"])
def test_code_is_that_of_the_example(name: str) -> None:
    """Each block of Python is the file that it names, whole."""
    path = f"examples/profilerkit-tracemalloc/{name}"
    assert BLOCKS[path] == (ROOT / path).read_text(encoding="utf-8")


def test_entry_points_are_those_of_the_example() -> None:
    """The block of TOML is a part of the example's project file."""
    path = "examples/profilerkit-tracemalloc/pyproject.toml"
    assert BLOCKS[path] in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("suite", [ProfilerTests, RendererTests])
def test_every_attribute_of_the_suites_is_described(suite: type) -> None:
    """What a subclass may set is in a table of the how-to."""
    assert [name for name in suite.__annotations__ if f"| `{name}` |" not in HOWTO] == []


def test_the_backend_is_about_forty_lines() -> None:
    """The promise of the first paragraph holds, empty lines aside."""
    code = BLOCKS["examples/profilerkit-tracemalloc/profilerkit_tracemalloc.py"]
    backend = code.split("@define\n")[1]
    assert len([line for line in backend.splitlines() if line.strip()]) <= 40
