"""Bring texts into the forms in which a catalog keeps and compares them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from profilerkit.model import RUN_NAMES

FOLDED_LENGTH = 1000
"""Longer names are found by their beginning."""
BETWEEN = "\n"
"""What stands between the names of one subject; no word that is looked for has it."""
UNSEARCHED = frozenset(RUN_NAMES) - {"run_id"}
"""Names that are only numbers: what fits one says nothing, so they are only looked at by name."""

_UNSTORABLE = re.compile("[\0\n\ud800-\udfff]")


def to_text(value: Any) -> str:
    """Return a value as JSON in ASCII, the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def fold(text: str) -> str:
    """Return a text as it is compared: without case, and without what SQLite cannot store."""
    return _UNSTORABLE.sub("\ufffd", text[:FOLDED_LENGTH].casefold())


def searchable(names: Mapping[str, str]) -> str:
    """Return the text in which words are looked for."""
    return BETWEEN.join(fold(names[each]) for each in names if each not in UNSEARCHED)


def word_fits(names: Mapping[str, str], word: str) -> bool:
    """Tell whether a word is part of one of the names; case does not count."""
    return fold(word) in searchable(names)


def any_fits(texts: Iterable[str], pattern: str) -> bool:
    """Tell whether one of the texts fits a glob; case counts."""
    return any(fnmatchcase(each, pattern) for each in texts)


def named_fits(texts: Mapping[str, str], name: str, pattern: str) -> bool:
    """Tell whether there is a text of that name that fits a glob."""
    return name in texts and fnmatchcase(texts[name], pattern)


def subject_fits(names: Mapping[str, str], name: str | None, pattern: str) -> bool:
    """Tell whether the name of a subject fits a glob; one of those that are searched when it is None."""
    if name is not None:
        return named_fits(names, name, pattern)
    return any_fits((names[each] for each in names if each not in UNSEARCHED), pattern)


def is_glob(pattern: str) -> bool:
    """Tell whether a pattern may fit something else than itself."""
    return any(each in pattern for each in "*?[")


def needle(name: str | None, pattern: str) -> tuple[str, bool]:
    """Return a text that is in the JSON of all names where the name, or any, fits a glob.

    The other value tells whether it is in no others. A quote is escaped in the names themselves, so one
    that is not belongs to the JSON.
    """
    key = (":" if name is None else f"{to_text(name)}:") + '"'
    parts = _literal_parts(pattern)
    if len(parts) == 1:
        return f'{key}{parts[0]}"', True
    if len(parts) == 2 and not parts[1] and pattern.endswith("*"):
        return key + parts[0], True
    return max(key + parts[0], *parts, key=len) if parts[0] else max(parts, key=len), False


def text_needle(pattern: str) -> tuple[str, bool]:
    """Return how the JSON of all texts begins that fit a glob, and whether no others begin so."""
    parts = _literal_parts(pattern)
    if len(parts) == 1:
        return f'"{parts[0]}"', True
    return f'"{parts[0]}', len(parts) == 2 and not parts[1] and pattern.endswith("*")


def _literal_parts(pattern: str) -> list[str]:
    """Return what is between the parts of a glob that fit several texts, as JSON."""
    parts, place = [""], 0
    while place < len(pattern):
        each = pattern[place]
        end = _end_of_set(pattern, place) if each == "[" else place
        if each in "*?" or end > place:
            parts.append("")
        else:
            parts[-1] += json.dumps(each)[1:-1]
        place = end + 1
    return parts


def _end_of_set(pattern: str, start: int) -> int:
    """Return where a set of characters ends, or its beginning when it is none, as `fnmatch` has it."""
    first = start + 2 if pattern[start + 1 : start + 2] == "!" else start + 1
    end = pattern.find("]", first + 1)
    return start if end < 0 else end
