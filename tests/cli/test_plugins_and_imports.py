"""Plugins are found without being imported, and the core needs none of its siblings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ..lab import Lab

PACKAGE = Path(__file__).parent.parent.parent
SIBLINGS = ("profilerkit_memray", "profilerkit_cpu", "profilerkit_resources")
TOOLS = ("memray", "pyinstrument")


def imported_by(*arguments: str, lab: Lab) -> set[str]:
    """Return the modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "profilerkit", *arguments],
        env=lab.environment,
        cwd=lab.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("command", [("list",), ("--help",), ("run", "--help")])
def test_commands_that_need_no_plugin_import_none(filled: Lab, command: tuple[str, ...]) -> None:
    """Neither a sibling package nor a profiling tool is imported to list recordings or to help."""
    found = {each.partition(".")[0] for each in imported_by(*command, lab=filled)}
    assert found.isdisjoint({*SIBLINGS, *TOOLS})


def test_listing_plugins_by_name_imports_none_of_them() -> None:
    """The names of plugins come from their entry points alone."""
    code = (
        "import sys; from profilerkit import plugins; "
        "print(plugins.names(plugins.PROFILERS), plugins.names(plugins.RENDERERS)); "
        f"sys.exit(any(each.partition('.')[0] in {SIBLINGS + TOOLS!r} for each in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "memray" in done.stdout


def test_plugins_tells_what_is_usable(lab: Lab) -> None:
    """Every plugin of ours is listed with its distribution and is usable here."""
    found = json.loads(lab.command("plugins", "--json").stdout)
    profilers = {each["name"]: each for each in found if each["group"] == "profilers"}
    assert {"cpu", "memray", "resources"} <= set(profilers)
    assert all(profilers[name]["usable"] for name in ("cpu", "memray", "resources"))
    assert profilers["cpu"]["distribution"] == "profilerkit"
    assert {"memray.flamegraph", "memray.stats", "cpu.tree", "hot", "speedscope"} <= {
        each["name"] for each in found if each["group"] == "renderers"
    }


CORE_ALONE = """
import pkgutil, sys
sys.path.insert(0, {core!r})
import profilerkit
assert profilerkit.__file__.startswith({core!r})
for module in pkgutil.walk_packages(profilerkit.__path__, "profilerkit."):
    if ".testing" not in module.name and not module.name.endswith(("__main__", ".launch", ".watcher")):
        __import__(module.name)
from profilerkit.cli.app import run
sys.exit(run(["plugins"]))
"""


def test_the_core_works_without_its_siblings(lab: Lab) -> None:
    """With the sibling packages gone every module of the core imports, and `plugins` says what is missing."""
    core = lab.folder / "core"
    core.mkdir()
    (core / "profilerkit").symlink_to(PACKAGE / "profilerkit")
    blocker = "".join(f"sys.modules[{name!r}] = None\n" for name in (*SIBLINGS, *TOOLS))
    script = lab.script("import sys\n" + blocker + CORE_ALONE.format(core=str(core)))
    done = subprocess.run(
        [sys.executable, script.name],
        env=lab.environment,
        cwd=lab.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be imported" in done.stdout
