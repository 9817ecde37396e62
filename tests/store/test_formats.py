"""Every format that was ever released is listed, shown, read and reported as it was then."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from profilerkit.contents import read_all
from profilerkit.library import Library
from profilerkit.model import FORMAT
from profilerkit.render import list_reports, make_report
from profilerkit.settings import load_settings
from profilerkit.views import show_json
from tests.store import by_the_docs

DATA = Path(__file__).parents[1] / "data"
STORES = sorted(DATA.glob("store-*"))


@pytest.fixture(params=STORES, ids=lambda each: each.name)
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Any]]:
    """Give a copy of a store, for what is shown is kept in it, and what is expected of it."""
    for name in ("STORE", "SPOOL", "CATALOG"):
        monkeypatch.setenv(f"PROFILERKIT_{name}", str(tmp_path / name.lower()))
    store = shutil.copytree(request.param / "store", tmp_path / "store")
    return store, json.loads((request.param / "expected.json").read_bytes())


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """Return where something is not as it was; what is new does not count."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            line
            for key in expected
            for line in differences(expected[key], found.get(key, "nothing"), f"{place}/{key}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) <= len(found):
        pairs = enumerate(zip(expected, found, strict=False))
        return [line for n, (one, other) in pairs for line in differences(one, other, f"{place}/{n}")]
    same = expected == found or (isinstance(expected, float) and found == pytest.approx(expected, rel=1e-9))
    return [] if same else [f"{place}: {expected!r} became {found!r}"]


def test_there_is_a_store_of_each_format() -> None:
    """The format of today is among them, and each is small."""
    assert [each.name for each in STORES] == [f"store-{number}" for number in range(1, FORMAT + 1)]
    for store in STORES:
        assert sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) < 300_000


def test_the_data_never_changes(kept: tuple[Path, dict[str, Any]]) -> None:
    """Each file is as it was written."""
    store, expected = kept
    found = {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }
    assert found == expected["files"]


def test_it_has_what_a_store_can_have(kept: tuple[Path, dict[str, Any]]) -> None:
    """Complete, failed, killed and silent ones; a deleted one; loose events and a compacted day."""
    store, expected = kept
    outcomes = {(each["show"]["status"], each["show"]["outcome"]) for each in expected["recordings"]}
    assert outcomes == {
        ("complete", "success"),
        ("complete", "failed"),
        ("interrupted", "killed"),
        ("interrupted", "unknown"),
    }
    assert list(store.glob("journal/days/*.jsonl.zst"))
    assert list(store.glob("journal/*T*/*-final.json"))
    assert list(store.glob("journal/*T*/*-running.json"))
    kinds = [each["kind"] for each in by_the_docs.events(store)]
    assert set(kinds) == {"running", "final", "deleted"}


@pytest.mark.parametrize("readings", ["kept", "made anew"])
def test_everything_is_listed_shown_and_read(kept: tuple[Path, dict[str, Any]], readings: str) -> None:
    """As it was when it was written; also when what was read then is gone."""
    store, expected = kept
    if readings == "made anew":
        for path in store.glob("recordings/**/readings/*"):
            path.unlink()
    library = Library(load_settings())
    entries = library.entries()
    ids = [each["show"]["id"] for each in expected["recordings"]]
    assert [each.recording.id for each in entries] == ids
    assert [each["recording"]["id"] for each in by_the_docs.recordings(store)] == ids
    for entry, each in zip(entries, expected["recordings"], strict=True):
        shelf = library.shelf(entry)
        found, errors = read_all(shelf)
        assert errors == {}
        assert differences(each["show"], show_json(shelf.recording, found, errors)) == []
        summaries = {name: dict(reading.summary) for name, reading in found.items()}
        assert differences(each["summaries"], summaries) == []
        assert {name: set(reading.contents) for name, reading in found.items()} == {
            name: set(contents) for name, contents in each["contents"].items()
        }


@pytest.mark.slow
def test_every_report_can_be_made(kept: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Those of then are still there; whatever is offered today can be had."""
    _, expected = kept
    library = Library(load_settings())
    for entry, each in zip(library.entries(), expected["recordings"], strict=True):
        shelf = library.shelf(entry)
        offered = [info.name for info in list_reports(shelf)]
        assert set(each["reports"]) <= set(offered)
        for name in offered:
            target = tmp_path / "report"
            make_report(shelf, name, target)
            assert target.stat().st_size > 0
