"""What the settings file says of a command's options is looked at before the command runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from profilerkit.cli import app
from profilerkit.errors import UsageError
from profilerkit.library import LATEST
from profilerkit.options import parse_options
from profilerkit.stacks.renderers import HotRenderer

TABLES = {
    "[tool.profilerkit.list]\nnonsense = 1": "no option 'nonsense', in [tool.profilerkit.list]",
    "[tool.profilerkit.list]\nlimit = [1, 2]": "limit in [tool.profilerkit.list]",
    "[tool.profilerkit.list]\nlimit = {a = 1}": "limit in [tool.profilerkit.list]",
    "[tool.profilerkit.list]\nlabels = [[1]]": "labels in [tool.profilerkit.list]",
    "[tool.profilerkit]\nquiet = [1]": "quiet in [tool.profilerkit.list]",
    "[tool.profilerkit]\nlist = 5": "[tool.profilerkit.list] of",
}


@pytest.mark.parametrize("text", TABLES, ids=range(len(TABLES)))
def test_what_is_no_option_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """As a usage error in one line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(f"{text}\n")
    assert app.run(["list"]) == 2
    told = capsys.readouterr().err
    assert TABLES[text] in told
    assert f"{tmp_path}/pyproject.toml" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--limit", "9223372036854775808"], "--limit"),
        (["serve", "--host", "nosuch..host"], "no name of a host"),
        (["serve", "--host", "x" * 300], "no name of a host"),
        (["serve", "--token", "secret-\udcff"], "'--token': A token is text in UTF-8"),
        (["prune", "--older-than", "\u0663d"], "--older-than"),
        (["run", "-p"], "requires an argument. See: profilerkit run --help"),
        (["list", "--name"], "requires an argument. See: profilerkit list --help"),
    ],
)
def test_values_that_no_option_takes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    """They are wrong usage, not something that should not have happened."""
    monkeypatch.chdir(tmp_path)
    assert app.run(arguments) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "secret" not in told


def test_numbers_are_ascii_and_rows_are_some() -> None:
    """What looks like a number elsewhere is no age and no reference; no report has less than one row."""
    assert LATEST.fullmatch("latest~3") is not None
    assert LATEST.fullmatch("latest~\u0663") is None
    with pytest.raises(UsageError, match="limit"):
        parse_options("hot", HotRenderer, {"limit": "-1"})
    assert parse_options("hot", HotRenderer, {"limit": "1"}) == {"limit": 1}
