"""A flag wins over the environment, that over the nearest pyproject.toml, that over the default."""

from __future__ import annotations

from pathlib import Path

from tests.lab import Lab


def profilers_of_latest(lab: Lab) -> list[str]:
    """Return which profilers took part in the newest recording."""
    lab.wait_shipped()
    found: list[str] = lab.list()[0]["profilers"]
    return found


def test_profilers_by_flag_environment_file_and_default(lab: Lab) -> None:
    """Which profilers take part, from each place in turn."""
    below = lab.folder / "below"
    below.mkdir()
    (lab.folder / "pyproject.toml").write_text(
        '[tool.profilerkit]\nprofilers = ["cpu"]\noptions.memray.native = true\n'
        "[tool.profilerkit.list]\nlimit = 1\n"
    )
    lab.folder, whole = below, lab.folder
    assert lab.start("-q", "-c", "pass").wait(60) == 0
    assert profilers_of_latest(lab) == ["cpu"]
    lab.environment["PROFILERKIT_PROFILERS"] = "resources, memray"
    assert lab.start("-q", "-c", "pass").wait(60) == 0
    assert profilers_of_latest(lab) == ["resources", "memray"]
    assert lab.show()["captures"][1]["options"] == {"native": True}
    assert lab.start("-q", "-p", "memray", "-o", "memray.native=false", "-c", "pass").wait(60) == 0
    assert profilers_of_latest(lab) == ["memray"]
    assert lab.show()["captures"][0]["options"] == {"native": False}
    assert len(lab.command("list").stdout.splitlines()) == 3
    assert len(lab.command("list", "--limit", "5").stdout.splitlines()) == 4
    lab.environment["PROFILERKIT_LIST_LIMIT"] = "2"
    assert len(lab.command("list").stdout.splitlines()) == 4
    (whole / "pyproject.toml").unlink()
    del lab.environment["PROFILERKIT_PROFILERS"]
    assert lab.start("-q", "-c", "pass").wait(60) == 0
    assert profilers_of_latest(lab) == ["resources", "cpu", "memray"]


def test_stores_by_flag_environment_and_file(lab: Lab) -> None:
    """Where recordings go, from each place in turn; the default is the user's data folder."""
    del lab.environment["PROFILERKIT_STORE"]
    lab.environment["HOME"] = str(lab.folder / "home")
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        lab.environment.pop(name, None)
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    assert _has_recordings(lab.folder / "home" / ".local" / "share" / "profilerkit" / "store")
    (lab.folder / "pyproject.toml").write_text('[tool.profilerkit]\nstore = "by-file"\n')
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.environment["PROFILERKIT_STORE"] = "by-environment"
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    assert lab.start("-q", "-p", "resources", "--store", "by-flag", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    for name in ("by-file", "by-environment", "by-flag"):
        assert _has_recordings(lab.folder / name), name


def _has_recordings(store: Path) -> bool:
    return len(list(store.glob("journal/*/*-final.json"))) == 1
