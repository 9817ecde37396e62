"""Values are written so that people understand them, and so that no value breaks a page."""

from __future__ import annotations

import math

import pytest

from profilerkit.catalog.search import parse_search
from profilerkit.model import Evidence, Outcome, Status, Subject
from profilerkit.web import words
from tests.web.site import a_run


@pytest.mark.parametrize(
    ("file", "own", "expected"),
    [("etl.py", True, "own"), ("pandas/core.py", False, "package"), ("stdlib/csv.py", False, "stdlib"),
     ("<frozen importlib>", False, "stdlib"), ("native/libc.so", False, "native"),
     ("<native>", False, "native")],
)  # fmt: skip
def test_code_is_told_apart(file: str, own: bool, expected: str) -> None:
    """Your own code, packages, the standard library, native code."""
    assert words.code_kind((file, own)) == expected


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(None, "–"), (math.inf, "–"), (0.001, "0%"), (0.14, "+14%"), (0.15, "▲ +15%"), (-0.5, "▼ −50%"),
     (430.12, "▲ ×431")],
)  # fmt: skip
def test_a_change_is_marked_from_fifteen_percent_on(ratio: float | None, expected: str) -> None:
    """With a sign, an arrow and a colour; a large one as a multiple."""
    assert f">{expected}<" in words.delta(ratio)


@pytest.mark.parametrize("text", ["plain", 'a "b"', "*", "[x]?", "back\\slash", "a b:c"])
def test_any_name_can_be_searched_for(text: str) -> None:
    """What a link searches for finds that name and no pattern."""
    wanted = parse_search(f"name:{words.search_term(text)}")
    assert wanted.fits(a_run(subject=Subject("script", {"name": text})))
    assert not wanted.fits(a_run(subject=Subject("script", {"name": f"{text}!"})))


def test_the_oom_killer_is_suspected_only_near_the_limit() -> None:
    """And never told as a fact."""
    killed = Evidence("signal", "ended by SIGKILL", {})
    summary = {"peak_rss_bytes": 95.0, "container_limit_bytes": 100.0}
    near = a_run(evidence=(killed,), summary=summary, status=Status.INTERRUPTED, outcome=Outcome.KILLED)
    far = a_run(evidence=(killed,), summary={**summary, "peak_rss_bytes": 50.0})
    assert words.oom_reason(near) == "ended by SIGKILL at 95.0% of the memory limit"
    assert words.oom_reason(far) is None


def test_a_bar_stays_within_its_cell() -> None:
    """Whatever the numbers are."""
    assert [words.width(*each) for each in ((50, 100), (300, 100), (-1, 100), (1, 0), (None, 1))] == [
        "50.00%",
        "100.00%",
        "0.00%",
        "0%",
        "0%",
    ]
