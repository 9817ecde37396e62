"""Test what the project is built from: pinned versions, typed packages, and a whole environment for tests."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.project.imports import CORE, ROOT, SIBLINGS

PINNED = re.compile(r"[a-z0-9._-]+==[0-9][0-9A-Za-z.!+]*( ; [^/@#]+)?")


@pytest.mark.parametrize("path", sorted((ROOT / "constraints").glob("*.txt")), ids=lambda path: path.name)
def test_constraints_are_names_and_versions_alone(path: object) -> None:
    """No address, no hash, no option: whoever installs decides where from."""
    lines = path.read_text(encoding="utf-8").splitlines()  # type: ignore[attr-defined]
    assert [line for line in lines if not PINNED.fullmatch(line)] == []
    assert len(lines) > 20


@pytest.mark.parametrize("package", [CORE, *SIBLINGS])
def test_packages_are_typed(package: str) -> None:
    """Type checkers may rely on our annotations."""
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("name", ["moto.server", "s3fs", "hypothesis", "memray", "pyinstrument", "greenlet"])
def test_nothing_that_tests_skip_without_is_missing(name: str) -> None:
    """Tests skip what is not installed; in this environment everything is."""
    importlib.import_module(name)


def test_the_examples_are_installed() -> None:
    """Third-party distributions are tested through their entry points."""
    from profilerkit import plugins

    for folder in (ROOT / "examples").glob("profilerkit-*"):
        found = {each.distribution for group in plugins.GROUPS for each in plugins.describe(group)}
        assert folder.name in found
