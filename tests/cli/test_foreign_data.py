"""What others put into a shared store is data: it is read by what is installed here, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab import Lab


def test_stored_data_chooses_no_code(lab: Lab) -> None:
    """A recording that names another class than the installed profiler's has no say in what is imported."""
    assert lab.start("-q", "-p", "resources", "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    mark = lab.folder / "executed"
    (lab.folder / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n"
        "class Profiler: read = classmethod(lambda *a: None)\n"
    )
    lab.environment["PYTHONPATH"] = str(lab.folder)
    (path,) = lab.store.glob("recordings/**/recording.json")
    recording = json.loads(path.read_text())
    recording["captures"][0]["entry"] = "evil:Profiler"
    path.write_text(json.dumps(recording))
    for kept in lab.store.glob("recordings/**/readings/*"):
        kept.unlink()
    assert lab.command("show", "latest").returncode == 0
    assert not mark.exists()
    assert lab.show()["captures"][0]["reading_error"] is None
    recording["captures"][0]["profiler"] = "evil"
    path.write_text(json.dumps(recording))
    (path.parent / "resources").rename(path.parent / "evil")
    for kept in lab.store.glob("recordings/**/readings/*"):
        kept.unlink()
    assert "not installed here" in lab.show()["captures"][0]["reading_error"]
    assert not mark.exists()


def test_a_damaged_recording_harms_no_other(lab: Lab) -> None:
    """Damaged and foreign files in a store are skipped with a word; the rest is listed."""
    for name in ("good", "bad"):
        assert lab.start("-q", "-p", "resources", "--name", name, "-c", "pass").wait(60) == 0
    lab.wait_shipped()
    bad = next(each["id"] for each in lab.list() if each["names"]["name"] == "bad")
    (folder,) = lab.store.glob(f"recordings/**/{bad}")
    (folder / "recording.json").write_bytes(b'{"format": 1, "captures": [[[')
    _spoil_journal(lab.store)
    assert {each["names"]["name"] for each in lab.list()} == {"good", "bad"}
    shown = lab.show(bad)
    assert any("cannot be read" in each for each in shown["warnings"])


def _spoil_journal(store: Path) -> None:
    (hour,) = {path.parent for path in store.glob("journal/*/*.json")}
    (hour / "ffffffff-ffff-7fff-bfff-ffffffffffff-x-final.json").write_bytes(b"\xff\x00not json")
    (hour / "nonsense").write_bytes(b"")
