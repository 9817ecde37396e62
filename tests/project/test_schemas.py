"""Test that what `--json` prints is what the schemas promise, and that the schemas forbid the rest."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from referencing import Registry, Resource

from tests.lab import Lab, first_line, kill, opened
from tests.project.documents import DOCS

PROGRAM = """
import sys, time
kept = [bytearray(1_000_000) for _ in range(20)]
def busy(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))
print("begun", flush=True)
busy(float(sys.argv[1]))
"""


def schemas() -> dict[str, Any]:
    """Return the schemas by the names of their files."""
    folder = DOCS / "reference" / "schemas"
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def check(name: str, value: Any) -> None:
    """Raise ValidationError when a value is not what a schema promises."""
    found = schemas()
    registry: Registry[Any] = Registry().with_resources(
        (file, Resource.from_contents(schema)) for file, schema in found.items()
    )
    validator = jsonschema.Draft202012Validator(
        found[name], registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    validator.validate(value)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give a lab with a success, a failure, and a kill."""
    with opened(tmp_path_factory.mktemp("schemas")) as lab:
        script = lab.script(PROGRAM)
        assert lab.start("-q", "--label", "team=data", script.name, "0.5").wait(60) == 0
        assert lab.start("-q", "-p", "resources", "-c", "raise SystemExit(3)").wait(60) == 3
        program = lab.start("-q", script.name, "60")
        assert first_line(program) == "begun\n"
        time.sleep(1.0)
        kill(program)
        lab.wait_shipped()
        yield lab


def test_the_schemas_are_schemas() -> None:
    """Each is a schema of the draft that it names."""
    names = ["compact", "diff", "list", "plugins", "prune", "recover", "show"]
    assert sorted(schemas()) == [f"{name}.json" for name in names]
    for schema in schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_list(recorded: Lab) -> None:
    """`list --json` is an array of recordings."""
    found = recorded.list()
    check("list.json", found)
    assert sorted(each["status"] for each in found) == ["complete", "complete", "interrupted"]
    assert sorted(each["outcome"] for each in found) == ["failed", "killed", "success"]


def test_show(recorded: Lab) -> None:
    """`show --json` has every recording in full, rows sorted by what is their own."""
    for each in recorded.list():
        shown = recorded.show(each["id"])
        check("show.json", shown)
        assert {name: shown[name] for name in ("id", "kind", "names", "status")} == {
            name: each[name] for name in ("id", "kind", "names", "status")
        }
        for name, rows in shown["hot"].items():
            assert [row["self"] for row in rows] == sorted((row["self"] for row in rows), reverse=True)
            assert {row["unit"] for row in rows} <= {"bytes" if name == "memray" else "seconds"}


def test_diff(recorded: Lab) -> None:
    """`diff --json` fits for recordings of several profilers, of one, and of what was killed."""
    ids = sorted(each["id"] for each in recorded.list())
    found = [
        json.loads(recorded.command("diff", a, b, "--json").stdout)
        for a, b in ((ids[0], ids[2]), (ids[2], ids[0]), (ids[0], ids[1]), (ids[1], ids[1]))
    ]
    for each in found:
        check("diff.json", each)
    memray = found[0]["profilers"]["memray"]
    heap = memray["metrics"]["heap_at_peak"]
    for part, key, value in (
        (found[0], "surprise", 1), (found[0]["a"], "status", "done"), (memray, "problem", "none"),
        (heap, "a", None), (heap["functions"][0], "change", 0), (heap["functions"][0], "line", 3),
    ):  # fmt: skip
        kept = part.copy()
        part[key] = value
        with pytest.raises(jsonschema.ValidationError):
            check("diff.json", found[0])
        part.clear()
        part.update(kept)
    check("diff.json", found[0])


def test_what_still_runs(tmp_path: Path) -> None:
    """A running recording fits, and `recover` says that it leaves it alone."""
    with opened(tmp_path) as lab:
        program = lab.start("-q", "-p", "resources", lab.script(PROGRAM).name, "60")
        assert first_line(program) == "begun\n"
        found = lab.list()
        check("list.json", found)
        assert [(each["status"], each["outcome"], each["ended_at"]) for each in found] == [
            ("running", None, None)
        ]
        check("show.json", lab.show())
        left: list[str] = []

        def recovered() -> bool:
            """A checkpoint may be on its way, which holds the lock."""
            answer = json.loads(lab.command("recover", "--json").stdout)
            check("recover.json", answer)
            left[:] = [each["id"] for each in answer["left"]]
            return not answer["errors"]

        lab.wait_until(recovered)
        assert left == [found[0]["id"]]
        kill(program)
        lab.wait_shipped()


def test_recover(recorded: Lab) -> None:
    """`recover --json` fits when there is nothing to do."""
    check("recover.json", json.loads(recorded.command("recover", "--json").stdout))


def test_plugins(recorded: Lab) -> None:
    """`plugins --json` lists what is installed, with a reason for what cannot be used."""
    found = json.loads(recorded.command("plugins", "--json").stdout)
    check("plugins.json", found)
    assert {"memray", "cpu", "resources"} <= {each["name"] for each in found if each["group"] == "profilers"}


@pytest.mark.parametrize("name", ["list.json", "show.json"])
def test_the_schemas_forbid_what_is_not_promised(recorded: Lab, name: str) -> None:
    """A field too many, one too few or of another type is refused."""
    good: Any = recorded.list() if name == "list.json" else recorded.show()
    for key, value in (("surprise", 1), ("id", "latest"), ("status", "done"), ("started_at", "yesterday"),
                       ("summary", {}), ("labels", {"team": 1}), ("profilers", "memray")):  # fmt: skip
        bad = copy.deepcopy(good)
        (bad[0] if name == "list.json" else bad)[key] = value
        with pytest.raises(jsonschema.ValidationError):
            check(name, bad)
