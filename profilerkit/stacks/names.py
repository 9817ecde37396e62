"""Show names that may hold anything, so that they harm neither a terminal nor a spreadsheet."""

from __future__ import annotations

import re

from profilerkit.reading import UNKNOWN_ROOT, Frame

THREAD_ROOT = "thread"
"""The root label of the pseudo-frames that backends put over each thread's stacks."""

SITE_PACKAGES = "site-packages"

# A cell is read as a formula when it begins with one of these. Spreadsheets that expect another
# separator also split at `;`, a tab or `|`, so the part after one of those may become a cell too.
FORMULA = re.compile(r'(^|[,;|"])(\s*)(?=[=+\-@\uff0b\uff0d\uff1d\uff20])')


def shown_file(frame: Frame) -> str:
    """Return the file of a frame as reports show it.

    Own code and packages are relative to their root (`etl/load.py`, `pandas/core/frame.py`); other
    files begin with the label of theirs (`stdlib/json/decoder.py`).
    """
    whole = frame.is_own or frame.root == UNKNOWN_ROOT or frame.root.startswith(SITE_PACKAGES)
    return frame.path if whole else f"{frame.root}/{frame.path}"


def printable(text: str) -> str:
    """Return `text` with every character that is not printable as an escape (`\\x1b`, `\\n`).

    That includes control and format characters (bidirectional overrides), line separators and lone
    surrogates, so the result is one line and can be encoded.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def csv_cell(text: str) -> str:
    """Return `text` for a cell of a CSV file: printable, and never a formula.

    An apostrophe goes before what a spreadsheet would calculate; see the CSV injection page of OWASP.
    """
    return FORMULA.sub(r"\1\2'", printable(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
