"""Test the core with nothing but its own dependencies: the wheel installed, its sibling packages deleted.

    python tools/core_alone.py dist/profilerkit-….whl

Only after it was imported and asked for its plugins are the tools of the tests installed beside it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

SIBLINGS = ("profilerkit_memray", "profilerkit_cpu", "profilerkit_resources", "profilerkit_airflow")
CORE_TESTS = ("stacks", "store", "testing")
"""The folders of tests that need no backend of ours; single tests skip what is not installed."""
NEED_MORE = (
    "--ignore=tests/store/test_contents.py",
    "--ignore=tests/store/test_formats.py",
    "--ignore=tests/stacks/test_pprof.py",
    "--deselect=tests/store/test_retention.py::test_an_upload_has_the_store_pruned",
    "--deselect=tests/store/test_retention.py::test_settings_keep_recordings_for_ever",
    "--deselect=tests/store/test_retention.py::test_a_store_that_fails_stops_nothing",
    "--deselect=tests/store/test_fsspec_store.py::test_a_forbidden_store_is_told_without_secrets",
)
"""Tests among them that do need a backend, or the filesystem of S3."""
TEST_TOOLS = ("pytest", "pytest-xdist", "hypothesis", "jsonschema")
IMPORT_ALL = """
# What is for tests needs pytest, the web app its extra; what runs as a program would run.
import importlib, pkgutil, profilerkit
for each in pkgutil.walk_packages(profilerkit.__path__, "profilerkit."):
    apart = any(part in each.name for part in (".testing", ".web."))
    if not apart and not each.name.endswith((".__main__", ".watcher")):
        importlib.import_module(each.name)
"""


def install(wheel: Path, folder: Path) -> Path:
    """Make a virtual environment with the core alone and return its folder of programs."""
    venv.create(folder, clear=True, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    pip(programs, wheel)
    for name in SIBLINGS:
        for package in folder.rglob(name):
            shutil.rmtree(package)
    return programs


def pip(programs: Path, *wanted: object) -> None:
    """Install something in its pinned version."""
    command = [programs / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    check(*command, "-c", "constraints/dev.txt", *wanted)


def check(*command: object, cwd: Path | None = None) -> bytes:
    """Run a command and return what it printed; end everything when it fails."""
    done = subprocess.run([str(each) for each in command], cwd=cwd, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(done.stdout.decode("utf-8", "replace"))
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return done.stdout


def check_plugins(programs: Path, folder: Path) -> None:
    """Check that the command lists what is there, and says of the siblings that they are not usable."""
    rows = json.loads(check(programs / "profilerkit", "plugins", "--json", cwd=folder))
    usable = {each["name"]: each["usable"] for each in rows}
    wrong = [name for name in ("memray", "cpu", "resources") if usable[name]]
    wrong += [name for name in ("hot", "speedscope", "timeline", "flamegraph-data") if not usable[name]]
    if wrong:
        raise SystemExit(f"profilerkit plugins is wrong about {', '.join(wrong)}")


def main() -> int:
    """Install, look, and run the tests."""
    with tempfile.TemporaryDirectory(prefix="core-") as scratch:
        folder = Path(scratch)
        programs = install(Path(sys.argv[1]).absolute(), folder / "venv")
        check(programs / "python", "-c", IMPORT_ALL, cwd=folder)
        check_plugins(programs, folder)
        # Tests run beside no package of ours, so that only what is installed can be imported.
        pip(programs, *TEST_TOOLS)
        for name in ("tests", "docs", "examples"):
            shutil.copytree(name, folder / name)
        shutil.copy("pyproject.toml", folder)
        tests = [f"tests/{each}" for each in CORE_TESTS]
        how = ("-m", "not slow", "-n", "3", "--dist", "worksteal")
        return subprocess.run(
            [programs / "pytest", *tests, *NEED_MORE, *how], cwd=folder, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
