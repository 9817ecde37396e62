"""Check what is understood of a search, and that whatever is not is said in words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profilerkit.catalog.query import Bound, Field, Query
from profilerkit.catalog.search import parse_search
from profilerkit.errors import UsageError
from profilerkit.model import Outcome, Status

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def day(number: int, **more: int) -> datetime:
    """Return the beginning of a day of November."""
    return datetime(2026, 11, number, tzinfo=timezone.utc) + timedelta(**more)


def bound(field: Field, comparison: str, value: Any) -> Query:
    """Return a query of one bound."""
    return Query(bounds=(Bound(field, comparison, value),))


SEARCHES = {
    "": Query(),
    "  ": Query(),
    "orders etl": Query(words=("orders", "etl")),
    '"two words" x': Query(words=("two words", "x")),
    r'"a \"quote\" and \\"': Query(words=('a "quote" and \\',)),
    '"name:x"': Query(words=("name:x",)),
    "2026-11-01T00:00:00+00:00": Query(words=("2026-11-01T00:00:00+00:00",)),
    "name:etl_*": Query(names=((None, "etl_*"),)),
    "dag:etl task:load run:manual__* try:2 map:7": Query(
        names=(
            ("dag_id", "etl"),
            ("task_id", "load"),
            ("run_id", "manual__*"),
            ("try_number", "2"),
            ("map_index", "7"),
        )
    ),
    "DAG:etl": Query(names=(("dag_id", "etl"),)),
    'names.file:"a b.py"': Query(names=(("file", "a b.py"),)),
    "kind:task": Query(kind="task"),
    "status:running": Query(status=Status.RUNNING),
    "outcome:Failed": Query(outcome=Outcome.FAILED),
    "outcome=failed outcome:failed": Query(outcome=Outcome.FAILED),
    "profiler:mem* profiler:cpu": Query(profilers=("mem*", "cpu")),
    "label.team:data": Query(label_globs=(("team", "data"),)),
    'label."a b":"c d"': Query(label_globs=(("a b", "c d"),)),
    "id:01A2": Query(id_prefix="01a2"),
    "peak>1GiB": bound(Field.PEAK, ">", 1 << 30),
    "peak:>=1.5g": bound(Field.PEAK, ">=", 1.5 * (1 << 30)),
    "peak<2GB": bound(Field.PEAK, "<", 2e9),
    "peak=5": bound(Field.PEAK, "=", 5),
    "cpu<=10s": bound(Field.CPU, "<=", 10),
    "duration>5m": bound(Field.DURATION, ">", 300),
    "duration:0.5h": bound(Field.DURATION, "=", 1800),
    "started>2026-11-01": bound(Field.STARTED, ">=", day(2)),
    "started>=2026-11-01": bound(Field.STARTED, ">=", day(1)),
    "started<2026-11-01": bound(Field.STARTED, "<", day(1)),
    "started<=2026-11-01": bound(Field.STARTED, "<", day(2)),
    "started:2026-11-01": Query(
        bounds=(Bound(Field.STARTED, ">=", day(1)), Bound(Field.STARTED, "<", day(2)))
    ),
    "started>=2026-11-01T02:00+02:00": bound(Field.STARTED, ">=", day(1)),
    "started<2026-11-01t08:00:00z": bound(Field.STARTED, "<", day(1, hours=8)),
    "since:7d": bound(Field.STARTED, ">=", NOW - timedelta(days=7)),
    "since:2026-11-01": bound(Field.STARTED, ">=", day(1)),
}


@pytest.mark.parametrize("text", SEARCHES)
def test_what_is_typed_is_understood(text: str) -> None:
    """Each word and term for itself."""
    assert SEARCHES[text] == parse_search(text, now=NOW)


def test_a_host_has_words_of_its_own() -> None:
    """Which stand for names of its subjects."""
    assert Query(names=(("name", "x"),)) == parse_search("script:x", aliases={"script": "name"})


MISTAKES = {
    "foo:bar": "Nothing is known as foo: here.",
    "tsak:x": "Did you mean task:?",
    "peak>much": "Write peak>1GiB.",
    "peak>5s": "Write peak>1GiB.",
    "started>yesterday": "Write started>2026-11-01",
    "since:soon": "'soon' is no time",
    "status:failed": "There are running, complete, partial, interrupted.",
    "outcome:bad": "There is no outcome 'bad'.",
    "status:running status:complete": "status: is there twice",
    "name>x": "name cannot be compared with >.",
    "dag:": "dag: says nothing to look for.",
    '"abc': "has no end",
    "x" * 2001: "at most 2000 are read",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_is_not_understood_is_said_in_words(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError) as error:
        parse_search(text)
    assert MISTAKES[text] in str(error.value)


terms = st.lists(
    st.text(max_size=6)
    | st.sampled_from(
        ("peak", ":", ">", '"', "\\", "label.", "1e9", "GiB", "started", "2026-11-01", " ", "since")
    ),
    max_size=8,
).map("".join)


@given(terms)
def test_whatever_is_typed_is_understood_or_refused(text: str) -> None:
    """Nothing else happens."""
    try:
        assert isinstance(parse_search(text), Query)
    except UsageError as error:
        assert str(error)
