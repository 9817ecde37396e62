"""Read the rules that say which tasks are profiled with what, and match tasks against them.

A rule that cannot be is left out and told; the others hold. Every process of Airflow imports this, and
named tuples are made ten times as fast as attrs classes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

PLACES = ("dag", "task", "tag", "owner", "queue", "pool", "operator")
"""What a rule can ask of a task; each a glob, or a list of globs of which one has to match."""

OTHER_KEYS = ("profilers", "options", "share", "only_on_retry")


class TaskFacts(NamedTuple):
    """What rules look at."""

    dag: str
    task: str
    run: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    queue: str = ""
    pool: str = ""
    operator: str = ""
    try_number: int = 1

    def of(self, place: str) -> tuple[str, ...]:
        """Return the values that a rule's key is compared with."""
        return self.tags if place == "tag" else (getattr(self, place),)


class Rule(NamedTuple):
    """Profile the tasks that match with these profilers."""

    places: Mapping[str, tuple[str, ...]]
    profilers: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    share: float = 1.0
    only_on_retry: bool = False

    def matches(self, task: TaskFacts) -> bool:
        """Tell whether a task is one of those that this rule is for, on whatever run and try."""
        return all(
            any(fnmatchcase(value, glob) for value in task.of(place) for glob in globs)
            for place, globs in self.places.items()
        )

    def applies(self, task: TaskFacts) -> bool:
        """Tell whether this very run and try is to be profiled."""
        if not self.matches(task) or (self.only_on_retry and task.try_number < 2):
            return False
        return self.share >= 1.0 or share_of(task) < self.share


def share_of(task: TaskFacts) -> float:
    """Return a number from 0 to 1 that is the same for all tries and map indexes of a task in a run."""
    names = "\0".join((task.dag, task.run, task.task)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(names, digest_size=8).digest(), "big") / 2.0**64


def first_match(rules: Iterable[Rule], task: TaskFacts) -> Rule | None:
    """Return the first rule that applies; one missed by its share or its retries falls through."""
    return next((each for each in rules if each.applies(task)), None)


def profilers_at_any_time(rules: Iterable[Rule], task: TaskFacts) -> tuple[str, ...]:
    """Return the profilers that rules choose for a task on some run or try of it."""
    found: dict[str, None] = {}
    for each in rules:
        if each.matches(task):
            found.update(dict.fromkeys(each.profilers))
            if each.share >= 1.0 and not each.only_on_retry:
                break
    return tuple(found)


def read_rules(text: str) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules of the setting `rules`, and in words what is wrong with the others.

    `text` is a JSON list, or `@` and the path of a TOML file with tables `[[rules]]`.
    """
    changed = 0
    if text.startswith("@"):
        with contextlib.suppress(OSError):
            changed = os.stat(text[1:]).st_mtime_ns
    return _read_rules(text, changed)


@functools.lru_cache(maxsize=4)
def _read_rules(text: str, _changed: int) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    try:
        items = _toml(Path(text[1:])) if text.startswith("@") else json.loads(text or "[]")
        if not isinstance(items, list):
            raise ValueError("they are a list of rules")
    except (OSError, ValueError) as error:
        return (), (f"The rules cannot be read: {error}.",)
    rules, problems = [], []
    for number, item in enumerate(items, 1):
        try:
            rules.append(parse_rule(item))
        except (ValueError, TypeError) as error:
            problems.append(f"Rule {number} is left out: {error}.")
    return tuple(rules), tuple(problems)


def parse_rule(item: Any) -> Rule:
    """Return a rule. Raises ValueError with what is wrong with it."""
    if not isinstance(item, Mapping):
        raise ValueError(f"a rule is a table, not {item!r}")
    unknown = sorted(set(item) - {*PLACES, *OTHER_KEYS})
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r} (there are: {', '.join((*PLACES, *OTHER_KEYS))})")
    if "profilers" not in item:
        raise ValueError("it names no profilers")
    share, only_on_retry = item.get("share", 1.0), item.get("only_on_retry", False)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"share is a number from 0 to 1, not {share!r}")
    if not isinstance(only_on_retry, bool):
        raise ValueError(f"only_on_retry is true or false, not {only_on_retry!r}")
    return Rule(
        places={place: texts(place, item[place]) for place in PLACES if place in item},
        profilers=texts("profilers", item["profilers"]),
        options=parse_options(item.get("options", {})),
        share=float(share),
        only_on_retry=only_on_retry,
    )


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Return one text or a list of texts as a tuple. Raises ValueError for anything else, and for none."""
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not found or not all(isinstance(each, str) for each in found):
        raise ValueError(f"{name} is a text or a list of texts, not {value!r}")
    return tuple(found)


def parse_options(value: Any) -> dict[str, dict[str, Any]]:
    """Return options by profiler. Raises ValueError for what is no table of tables."""
    if not isinstance(value, Mapping) or not all(isinstance(each, Mapping) for each in value.values()):
        raise ValueError(f"options are a table for each profiler, not {value!r}")
    return {str(name): dict(table) for name, table in value.items()}


def _toml(path: Path) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return found.get("rules", [])
