"""Test that imports point down, that the two sides are strangers, and that light modules stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.project.imports import BACKENDS, CORE, HOSTS, ROOT, SIBLINGS, Import, imports, modules

LAYERS = (
    {
        "_version",
        "errors",
        "ids",
        "process",
        "redact",
        "claims",
        "deadline",
        "depth",
        "descriptors",
        "outfile",
        "quiet",
        "outcomes",
        "retrace",
        "signals",
    },
    {"guards", "forks", "state"},
    {
        "model",
        "reading",
        "readingjson",
        "limits",
        "storeurl",
        "spool",
        "options",
        "plugins",
        "settings",
        "rawfiles",
    },
    {
        "interfaces",
        "keys",
        "codec",
        "link",
        "shipping",
        "assemble",
        "evidence",
        "outside",
        "quotas",
        "receipts",
        "waiting",
    },
    {"readings", "source", "worker", "localstore", "journal"},
    {"stores", "select", "stacks", "dayfiles", "survey"},
    {"archive", "retry"},
    {
        "inside",
        "session",
        "watcher",
        "ship",
        "render",
        "catalog",
        "bundle",
        "unbundle",
        "compaction",
        "retention",
        "maintenance",
    },
    {"contents", "library", "verdict"},
    {"views"},
    {"comparison"},
    {"comparison_views"},
    {"api", "launch", "__init__", "testing"},
    {"web"},
    {"cli"},
    {"__main__"},
)
"""From the bottom to the top: a module imports from its own layer and those below it."""

RECORDING = {
    "assemble", "claims", "deadline", "depth", "descriptors", "evidence", "forks", "guards", "inside",
    "launch", "link", "outcomes", "outside", "quiet", "quotas", "receipts", "retrace", "session", "ship",
    "shipping", "signals", "spool", "state", "waiting", "watcher",
}  # fmt: skip
VIEWING = {"catalog", "comparison", "contents", "render", "source", "stacks", "verdict", "web"}
LIGHT = RECORDING - {"assemble", "ship"} | {"_version", "errors", "process"}
"""What is imported in a recorded process before its first line, and in a watcher."""

HEAVY = (
    "attrs", "attr", "cattrs", "fsspec", "psutil", "stevedore", "platformdirs", "zstandard", "rich", "click",
    "asyncio", "logging", "importlib.metadata", "multiprocessing", "tempfile", "typing_extensions",
)  # fmt: skip

SHARED_WITH_BACKENDS = {f"{CORE}.{each}" for each in ("interfaces", "model", "reading", "errors")}
OPEN_TO_HOSTS = {
    f"{CORE}.{each}"
    for each in (
        *("catalog", "errors", "interfaces", "model", "options", "plugins", "reading", "receipts", "redact"),
        *("retrace", "select", "session", "settings", "stores", "storeurl", "waiting", "web", "_version"),
    )
}
"""The parts of the core that a host builds on: they change with notice."""

ALONE = {"stevedore": "profilerkit.plugins", "fsspec": "profilerkit.stores"}
AIRFLOW_IN = {
    f"profilerkit_airflow.{each}"
    for each in ("compat", "policy", "plugin", "metadata", "views_airflow2", "views_airflow3")
}
"""What may import Airflow: adapters to its versions and its database, and what it loads by its type."""
FOLDERS = ("profilerkit", *SIBLINGS, "tests", "tools", "benchmarks", "examples")

CORE_MODULES = modules(CORE)
SIBLING_MODULES = {name: path for each in SIBLINGS for name, path in modules(each).items()}
BACKEND_MODULES = {name: path for each in BACKENDS for name, path in modules(each).items()}
HOST_MODULES = {name: path for each in HOSTS for name, path in modules(each).items()}
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def part(module: str) -> str:
    """Return what of the core a module belongs to: `cli` for `profilerkit.cli.app`."""
    return [*module.split("."), "__init__"][1]


def of(each: Import, package: str) -> bool:
    """Tell whether an import is of a package."""
    return each.module == package or each.module.startswith(f"{package}.")


def layer(name: str) -> int:
    """Return the number of a part's layer, from the bottom; what is in none is at the bottom."""
    return next((number for number, names in enumerate(LAYERS) if name in names), 0)


def offences(sources: dict[str, Path], is_offence: Callable[[str, Import], bool]) -> list[str]:
    """Return in words each import that breaks a rule."""
    return [
        f"{module} imports {each.module} (line {each.line})"
        for module, path in sources.items()
        for each in imports(path)
        if is_offence(module, each)
    ]


def test_every_module_of_the_core_has_a_layer() -> None:
    """A new module has to be put somewhere, and one that is gone is forgotten."""
    assert {part(name) for name in CORE_MODULES} == set().union(*LAYERS)


def test_imports_point_down() -> None:
    """No module of the core imports from a layer above its own."""

    def upward(module: str, each: Import) -> bool:
        # `import profilerkit` gives `profile` only when it is asked for.
        lazy = module == "profilerkit.__init__" and not each.at_module_level
        if not of(each, CORE) or each.for_types_only or lazy:
            return False
        return layer(part(each.module)) > layer(part(module))

    assert offences(CORE_MODULES, upward) == []


def test_the_core_knows_no_sibling() -> None:
    """The core neither imports a backend of ours nor names its package."""
    assert offences(CORE_MODULES, lambda _, each: any(of(each, name) for name in SIBLINGS)) == []
    texts = {module: path.read_text(encoding="utf-8") for module, path in CORE_MODULES.items()}
    assert [(module, name) for module, text in texts.items() for name in SIBLINGS if name in text] == []


def test_backends_know_only_the_interfaces() -> None:
    """A backend of ours imports of the core what any third party would, and no other backend."""

    def foreign(module: str, each: Import) -> bool:
        ours = any(of(each, name) for name in (CORE, *SIBLINGS))
        return ours and not of(each, module.partition(".")[0]) and each.module not in SHARED_WITH_BACKENDS

    assert offences(BACKEND_MODULES, foreign) == []


def test_hosts_know_what_is_open_to_them_and_no_backend() -> None:
    """A host builds on the parts of the core that are open to it, and names no backend's package."""

    def foreign(module: str, each: Import) -> bool:
        if any(of(each, name) for name in BACKENDS):
            return True
        return of(each, CORE) and not any(of(each, name) for name in OPEN_TO_HOSTS) and each.module != CORE

    assert offences(HOST_MODULES, foreign) == []
    texts = {module: path.read_text(encoding="utf-8") for module, path in HOST_MODULES.items()}
    assert [(module, name) for module, text in texts.items() for name in BACKENDS if name in text] == []


def test_one_module_knows_which_airflow_this_is() -> None:
    """Airflow is imported by the adapter, and by what Airflow itself loads."""
    assert offences(HOST_MODULES, lambda module, each: of(each, "airflow") and module not in AIRFLOW_IN) == []


def test_the_two_sides_are_strangers() -> None:
    """Recording imports nothing of viewing, nor the other way round; the API records."""

    def across(module: str, each: Import) -> bool:
        if not of(each, CORE):
            return False
        here, there = part(module), part(each.module)
        records = here in RECORDING or here == "api"
        return (records and there in VIEWING) or (here in VIEWING and there in RECORDING)

    assert offences(CORE_MODULES, across) == []


def test_one_module_each_knows_stevedore_and_fsspec() -> None:
    """What a dependency is used for stays in one place."""

    def elsewhere(module: str, each: Import) -> bool:
        return any(of(each, package) and module != place for package, place in ALONE.items())

    assert offences({**CORE_MODULES, **SIBLING_MODULES}, elsewhere) == []


def test_light_modules_import_only_light_ones() -> None:
    """At module level they import the standard library and each other."""

    def heavy(_: str, each: Import) -> bool:
        if not each.at_module_level or each.for_types_only:
            return False
        light = of(each, CORE) and part(each.module) in LIGHT
        return each.module.split(".")[0] not in sys.stdlib_module_names and not light

    assert (
        offences({name: CORE_MODULES[name] for name in map(f"{CORE}.{{}}".format, sorted(LIGHT))}, heavy)
        == []
    )


def test_light_modules_pull_nothing_heavy_in() -> None:
    """Really importing them all leaves every heavy module out."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        + "".join(f"import {CORE}.{name}\n" for name in sorted(LIGHT))
        + f"print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_modules_say_what_they_do_and_are_finished() -> None:
    """Every module opens with a sentence, and promises nothing for later."""
    silent, unfinished = [], []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        sentence = (ast.get_docstring(tree) or "").partition("\n\n")[0].rstrip()
        if tree.body and not sentence.endswith((".", ":")):
            silent.append(path.relative_to(ROOT).as_posix())
        marks = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")
        if "tests" not in path.parts and any(mark in text for mark in marks):
            unfinished.append(path.relative_to(ROOT).as_posix())
    assert (silent, unfinished) == ([], [])
