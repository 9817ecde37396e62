"""Read from the source which module imports which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = "profilerkit"
BACKENDS = ("profilerkit_memray", "profilerkit_cpu", "profilerkit_resources")
HOSTS = ("profilerkit_airflow",)
"""Packages that record and show profiles inside another system."""
SIBLINGS = (*BACKENDS, *HOSTS)


@dataclass(frozen=True)
class Import:
    """One import statement's module."""

    module: str
    """As far as it is a module: for `from profilerkit import spool` it is `profilerkit.spool`."""
    at_module_level: bool
    for_types_only: bool
    line: int


def modules(package: str) -> dict[str, Path]:
    """Return the modules of a package by their dotted names; a package's own is its `__init__`."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts)] = path
    return found


def imports(path: Path) -> list[Import]:
    """Return everything that a module imports, wherever it does."""
    return list(
        _walk(ast.parse(path.read_text(encoding="utf-8")), at_module_level=True, for_types_only=False)
    )


def _walk(node: ast.AST, *, at_module_level: bool, for_types_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        yield from (
            Import(name, at_module_level, for_types_only, child.lineno)
            for name in _imported(child)
            if isinstance(child, ast.stmt)
        )
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _walk(
            child,
            at_module_level=at_module_level and not inside,
            for_types_only=for_types_only or checking,
        )


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0 and node.module is not None, "imports are absolute"
    return [_module_of(node.module, each.name) for each in node.names]


def _module_of(module: str, name: str) -> str:
    """Return `module.name` when that is a module of ours, else `module`."""
    path = ROOT.joinpath(*module.split("."), name)
    is_ours = path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
    return f"{module}.{name}" if is_ours else module
