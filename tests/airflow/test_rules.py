"""Rules choose tasks by globs, shares and retries, and what is wrong with one is told in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from profilerkit_airflow.rules import (
    TaskFacts,
    first_match,
    parse_rule,
    profilers_at_any_time,
    read_rules,
    share_of,
)

TASK = TaskFacts(
    dag="etl_sales",
    task="load_orders",
    run="r1",
    tags=("nightly", "team:data"),
    owner="ada",
    queue="big",
    pool="default_pool",
    operator="BashOperator",
)


@pytest.mark.parametrize(
    ("places", "matches"),
    [
        ({}, True),
        ({"dag": "etl_*"}, True),
        ({"dag": "ETL_*"}, False),
        ({"dag": ["other", "etl_*"], "task": "load_*"}, True),
        ({"dag": "etl_*", "task": "extract_*"}, False),
        ({"tag": "team:*"}, True),
        ({"tag": "weekly"}, False),
        ({"owner": "ada", "queue": "big", "pool": "default*", "operator": "Bash*"}, True),
    ],
)
def test_keys_are_anded_and_values_ored(places: dict[str, object], matches: bool) -> None:
    """Each key has to match, by any of its globs."""
    assert matches == parse_rule({**places, "profilers": "cpu"}).matches(TASK)


def test_the_first_rule_that_applies_wins_and_missed_ones_fall_through() -> None:
    """A rule that is missed by its share or its retries leaves the task to the next."""
    rules, problems = read_rules(
        json.dumps(
            [
                {"dag": "other", "profilers": ["memray"]},
                {"profilers": ["memray"], "only_on_retry": True},
                {"profilers": ["memray"], "share": 0},
                {"profilers": ["cpu"]},
                {"profilers": ["resources"]},
            ]
        )
    )
    assert problems == ()
    found = first_match(rules, TASK)
    assert found is not None and found.profilers == ("cpu",)
    retry = first_match(rules, TaskFacts(dag="d", task="t", try_number=2))
    assert retry is not None and retry.profilers == ("memray",)
    assert profilers_at_any_time(rules, TASK) == ("memray", "cpu")


def test_a_share_is_the_same_for_tries_and_about_as_large_as_asked() -> None:
    """It depends on DAG, run and task only."""
    shares = [share_of(TaskFacts(dag="d", task="t", run=f"r{number}")) for number in range(2000)]
    assert 150 < sum(each < 0.1 for each in shares) < 250
    assert share_of(TASK) == share_of(TaskFacts(dag="etl_sales", task="load_orders", run="r1", try_number=5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ('{"dag": "x"}', "a list of rules"),
        ('[{"dag": "x"}]', "Rule 1 is left out: it names no profilers"),
        ('[{"dga": "x", "profilers": ["cpu"]}]', "there is no 'dga'"),
        ('[{"profilers": "cpu", "share": 2}]', "share is a number from 0 to 1"),
        ('[{"profilers": "cpu", "share": true}]', "share is a number from 0 to 1"),
        ('[{"profilers": "cpu", "only_on_retry": 1}]', "only_on_retry is true or false"),
        ('[{"profilers": [], "dag": "x"}]', "profilers is a text or a list of texts"),
        ('[{"profilers": ["cpu"], "options": {"cpu": 1}}]', "options are a table"),
        ("[3]", "a rule is a table"),
        ("@/nowhere/rules.toml", "/nowhere/rules.toml: No such file"),
    ],
)
def test_what_is_wrong_is_told(text: str, words: str) -> None:
    """Nothing is raised; the sentence names the place."""
    _, problems = read_rules(text)
    assert words in problems[0]


def test_one_invalid_rule_leaves_the_others() -> None:
    """The rest holds."""
    rules, problems = read_rules('[{"profilers": []}, {"profilers": ["cpu"]}]')
    assert (len(rules), len(problems)) == (1, 1)


def test_rules_in_a_file_are_read_again_when_it_changes(tmp_path: Path) -> None:
    """A file of TOML holds tables named rules."""
    path = tmp_path / "rules.toml"
    path.write_text('[[rules]]\ndag = "etl_*"\nprofilers = ["cpu"]\noptions.cpu.interval = 0.02\n')
    rules, problems = read_rules(f"@{path}")
    assert problems == ()
    assert rules[0].options["cpu"] == ({"interval": 0.02})
    path.write_text("[[rules]]\nprofilers = ['memray']\n[[rules]]\nprofilers = ['cpu']\n")
    assert len(read_rules(f"@{path}")[0]) == 2
