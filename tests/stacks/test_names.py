"""Test that names are shown so that they harm nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from trees import any_text

from profilerkit.reading import Frame
from profilerkit.stacks import printable
from profilerkit.stacks.names import shown_file
from profilerkit.testing.readings import HOSTILE_NAMES


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("read_csv", "read_csv"),
        ("größe 😀", "größe 😀"),
        ("two\nlines", "two\\nlines"),
        ("nul\x00", "nul\\x00"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("<script>", "<script>"),
    ],
)
def test_only_what_is_not_printable_is_escaped(name: str, shown: str) -> None:
    """Letters of any language stay; what controls a terminal or hides text is spelled out."""
    assert printable(name) == shown


@given(any_text)
def test_result_is_one_printable_line(name: str) -> None:
    """Whatever the name, the result can be printed and encoded."""
    assert printable(name).isprintable()
    assert printable(name).encode("utf-8").decode("utf-8") == printable(name)


def test_long_names_are_whole() -> None:
    """Nothing is cut: a report is searched for names."""
    assert printable(HOSTILE_NAMES[-2]) == "x" * 300


@pytest.mark.parametrize(
    ("frame", "file"),
    [
        (Frame("f", "etl/load.py", 1, "own"), "etl/load.py"),
        (Frame("f", "etl/load.py", 1, "own-2"), "etl/load.py"),
        (Frame("f", "pandas/core/frame.py", 1, "site-packages"), "pandas/core/frame.py"),
        (Frame("f", "json/decoder.py", 1, "stdlib"), "stdlib/json/decoder.py"),
        (Frame("f", "/elsewhere/x.py", 1, ""), "/elsewhere/x.py"),
        (Frame("f", "<frozen importlib._bootstrap>", 1, ""), "<frozen importlib._bootstrap>"),
    ],
)
def test_files_are_shown_short(frame: Frame, file: str) -> None:
    """Own code and packages are shown by their path alone, other code with its root's label."""
    assert shown_file(frame) == file
