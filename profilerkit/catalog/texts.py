"""Bring texts into the forms in which a catalog keeps and compares them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from profilerkit.model import RUN_NAMES, Subject

FOLDED_LENGTH = 1000
"""Longer names are found by their beginning."""
BETWEEN = "\n"
"""What stands between the names of one subject; no word that is looked for has it."""
UNSEARCHED = frozenset(RUN_NAMES) - {"run_id"}
"""Names that are only numbers: a word that fits one says nothing."""

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


def run_names(subject: Subject) -> dict[str, str]:
    """Return the names of a subject that belong to one run."""
    return {name: subject.names[name] for name in RUN_NAMES if name in subject.names}


def any_fits(texts: Iterable[str], pattern: str) -> bool:
    """Tell whether one of the texts fits a glob; case counts."""
    return any(fnmatchcase(each, pattern) for each in texts)


def named_fits(names: Mapping[str, str], name: str | None, pattern: str) -> bool:
    """Tell whether the name fits a glob; any of them when it is None."""
    found = names.values() if name is None else [names[name]] if name in names else []
    return any_fits(found, pattern)
