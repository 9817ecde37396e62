"""Test that the reference of the Airflow integration has every setting, rule key, label and metric."""

from __future__ import annotations

import re

from profilerkit_airflow import metrics
from profilerkit_airflow.provider import DESCRIPTIONS
from profilerkit_airflow.rules import OTHER_KEYS, PLACES, read_rules
from profilerkit_airflow.settings import DEFAULTS
from tests.project.documents import DOCS, blocks, text_of

PAGE = DOCS / "reference" / "airflow.md"


def names_in_tables(heading: str) -> set[str]:
    """Return the names in the first column of the tables below a heading."""
    section = text_of(PAGE).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`.+?`) \|", section, flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_setting_is_documented_and_declared() -> None:
    """In the reference and to Airflow itself, and nothing that is none."""
    assert set(DEFAULTS) == names_in_tables("Settings")
    assert set(DEFAULTS) == set(DESCRIPTIONS)


def test_every_key_of_a_rule_is_documented() -> None:
    """And nothing that is none."""
    assert {*PLACES, *OTHER_KEYS} == names_in_tables("Rules")


def test_every_metric_is_documented() -> None:
    """And nothing that is none."""
    sent = {metrics.RECORDINGS, metrics.SHIPPED_BYTES, metrics.SHIP_SECONDS}
    sent |= {f"profilerkit.{each}" for each in metrics.GAUGES}
    assert sent == names_in_tables("Metrics")


def test_the_rules_in_the_docs_can_be_read() -> None:
    """Each list of rules in the Airflow pages is one that holds."""
    pages = [PAGE, *sorted(DOCS.glob("howto/airflow-*.md"))]
    lists = [
        block.text
        for page in pages
        for block in blocks(text_of(page))
        if block.language == "json" and block.text.lstrip().startswith("[")
    ]
    assert len(lists) >= 2
    assert [problem for text in lists for problem in read_rules(text)[1]] == []
