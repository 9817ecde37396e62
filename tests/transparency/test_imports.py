"""What recording imports into the program's process is little, and none of what is heavy."""

from __future__ import annotations

import json

import pytest

from tests.support.twins import ALL, Twins

HEAVY = (
    *("fsspec", "psutil", "pyinstrument", "stevedore", "zstandard", "platformdirs", "cattrs"),
    *("rich", "rich_click", "click", "tomllib", "tomli", "urllib3", "requests", "multiprocessing"),
    *("importlib.metadata", "subprocess", "shutil", "asyncio", "logging", "typing", "pathlib"),
)
OURS = ("render", "cli", "stores", "archive", "plugins", "settings", "select", "ship", "shipping", "watcher")
LIST = "import json, sys\nprint(json.dumps(sorted(sys.modules)))\n"


@pytest.mark.parametrize("profilers", [["resources"], [*ALL]], ids=",".join)
def test_nothing_heavy_is_imported(twins: Twins, profilers: list[str]) -> None:
    """Neither stores, readers, renderers nor the command line are there, nor what they need."""
    twins.profilers = profilers
    found = set(json.loads(twins.recorded(twins.write(LIST)).stdout))
    plain = set(json.loads(twins.plain(twins.write(LIST)).stdout))
    heavy = HEAVY if profilers == ["resources"] else HEAVY[:7]  # what memray itself imports is its own
    assert set() == {each for each in found - plain if each.split(".")[0] in heavy or each in heavy}
    assert set() == {each for each in found for name in OURS if each.startswith(f"profilerkit.{name}")}
    assert "profilerkit.session" in found


def test_without_profilers_inside_there_is_not_even_attrs(twins: Twins) -> None:
    """With profilers outside only, all that is imported is the standard library and the session."""
    twins.profilers = ["resources"]
    found = json.loads(twins.recorded(twins.write(LIST)).stdout)
    plain = json.loads(twins.plain(twins.write(LIST)).stdout)
    packages = {each.split(".")[0] for each in set(found) - set(plain)}
    assert not packages & {"attr", "attrs", "profilerkit_resources", "memray"}


@pytest.mark.parametrize(
    "name", ["random", "signal", "types", "inspect", "resource", "struct", "copy", "token"]
)
def test_program_finds_its_own_modules_under_names_that_we_import(twins: Twins, name: str) -> None:
    """A module beside the program comes before one of the standard library, whatever we have imported."""
    (twins.lab.folder / "beside").mkdir()
    twins.write("def roll(): return 4\n", f"beside/{name}.py")
    twins.assert_same(twins.write(f"import {name}\nprint({name}.roll())\n", "beside/program.py"))


def test_program_finds_its_own_modules_under_our_names(twins: Twins) -> None:
    """A module of the program that has the name of one of ours is found by the program."""
    for name in ("session", "spool", "select_", "process", "model", "guards", "link", "reader", "launch"):
        twins.write(f"print('mine: {name}')\n", f"{name}.py")
    twins.assert_same_source("import session, spool, process, model, guards, link, reader, launch\n")
