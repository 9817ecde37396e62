"""Test that every option, variable, setting and exit code is in the reference, and no other."""

from __future__ import annotations

import re
import sys

import attrs
import click
import pytest

from profilerkit import plugins
from profilerkit.cli.app import COMMANDS, profilerkit
from profilerkit.options import option_fields
from profilerkit.settings import Settings, load_settings
from tests.project.documents import DOCS, blocks, pages, section, text_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMMAND_LINE = text_of(DOCS / "reference" / "command-line.md")
SETTINGS = text_of(DOCS / "reference" / "settings.md")
SHARED = section(COMMAND_LINE, "Options of every command")
OURS = ("memray", "cpu", "resources")


def command_of(name: str) -> click.Command:
    """Return one command of ours."""
    command = profilerkit.get_command(click.Context(profilerkit), name)
    assert command is not None
    return command


def options_of(name: str) -> list[click.Option]:
    """Return the options of a command, but its help."""
    return [each for each in command_of(name).params if isinstance(each, click.Option)]


def variable_of(name: str, option: click.Option) -> str:
    """Return the environment variable of an option."""
    if option.envvar is not None:
        assert isinstance(option.envvar, str)
        return option.envvar
    return f"PROFILERKIT_{name}_{option.name}".upper()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_reference(name: str) -> None:
    """Each option stands in its command's section with its short form and its variable."""
    text = section(COMMAND_LINE, name) + SHARED
    missing = []
    for option in options_of(name):
        for word in (*option.opts, variable_of(name, option)):
            if not re.search(rf"`{re.escape(word)}\b", text):
                missing.append(word)
    assert missing == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_has_no_option_that_is_not_there(name: str) -> None:
    """What a command's table lists can be given."""
    known = {word for option in options_of(name) for word in option.opts}
    rows = re.findall(r"(?m)^\| (`-.*?) \|", section(COMMAND_LINE, name))
    listed = {word for row in rows for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)}
    assert listed - known == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_variable_of_an_option_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that the reference names gives the option its value."""
    for option in options_of(name):
        value = next(iter(option.type.choices), "1") if isinstance(option.type, click.Choice) else "1"
        with monkeypatch.context() as patch:
            patch.setenv(variable_of(name, option), str(value))
            context = click.Context(command_of(name), info_name=name)
            context.auto_envvar_prefix = f"PROFILERKIT_{name}".upper()
            _, source = option.consume_value(context, {})
            assert source is click.core.ParameterSource.ENVIRONMENT, option.name


def test_every_choice_is_in_the_reference() -> None:
    """The values that an option takes are listed."""
    for name in COMMANDS:
        for parameter in command_of(name).params:
            if isinstance(parameter.type, click.Choice):
                text = section(COMMAND_LINE, name)
                assert [word for word in parameter.type.choices if str(word) not in text] == []


def test_every_setting_is_in_the_reference() -> None:
    """Each key stands in the table with its variable, where it has one, and nothing else does."""
    rows = dict(re.findall(r"(?m)^\| `([a-z_]+)` \| (\S+) \|", section(f"## all\n{SETTINGS}", "all")))
    expected = {
        each.name: "none"
        if each.name in ("options", "storage_options")
        else f"`PROFILERKIT_{each.name.upper()}`"
        for each in attrs.fields(Settings)
    }
    assert {key: rows.get(key) for key in expected} == expected


@pytest.mark.parametrize("name", OURS)
def test_every_option_of_a_profiler_is_in_the_reference(name: str) -> None:
    """Options and their defaults are those of the class."""
    fields = option_fields(plugins.load(plugins.PROFILERS, name))
    rows = re.findall(rf"(?m)^\| `{name}\.(\w+)` \| `([^`]*)` \|", SETTINGS)
    assert dict(rows) == {each: str(field.default).lower() for each, field in fields.items()}


def test_every_exit_code_is_in_the_reference() -> None:
    """The codes are those that the command line uses."""
    codes = re.findall(r"(?m)^\| (\d+) \|", section(COMMAND_LINE, "Exit codes"))
    assert codes == ["0", "1", "2", "130", "141"]


def test_examples_of_settings_are_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every TOML block of the documentation can be read, and means something."""
    found = [block.text for page in pages() for block in blocks(text_of(page)) if block.language == "toml"]
    ours = [text for text in found if "tool.profilerkit" in text]
    assert len(ours) >= 2
    for text in ours:
        folder = tmp_path_factory.mktemp("settings")
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
        load_settings(folder=folder)
        table = tomllib.loads(text)["tool"]["profilerkit"]
        assert set(table) - {each.name for each in attrs.fields(Settings)} - set(COMMANDS) == set()
        for name in set(table) & set(COMMANDS):
            assert set(table[name]) - {option.name for option in options_of(name)} == set()
