"""Check bundles: what was exported is imported whole, and whatever else a file holds is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from profilerkit import bundle
from profilerkit.archive import Archive
from profilerkit.bundle import (
    FOLDER,
    MANIFEST,
    RECORDING,
    as_exported,
    stored_parts,
    write_bundle,
)
from profilerkit.errors import FormatError, ProfilerKitError, StoreError
from profilerkit.ids import uuid7
from profilerkit.interfaces import StoredObject
from profilerkit.keys import recording_key
from profilerkit.localstore import LocalStore
from profilerkit.model import Capture, CaptureFile, Event, EventKind, Outcome, Recording, Status, Subject
from profilerkit.unbundle import import_bundle
from tests.store.samples import ODD, START, a_reading, a_recording, an_archive

RAW = "memray/raw/memray.bin.zst"


def publish(archive: Archive, folder: Path, **changes: Any) -> Event:
    """Store a recording with two captures, raw files and a reading."""
    recording = a_recording(**changes)
    for capture in recording.captures:
        for number, file in enumerate(capture.files):
            raw = folder / f"raw{number}"
            raw.write_bytes(os.urandom(20) * 3)
            archive.put_raw(recording_key(recording), capture.profiler, raw, file.path)
    for name in (f"0.1.0-{recording.revision}", "0.1.0-2"):
        for capture in recording.captures[:1]:
            archive.put_reading(recording_key(recording), capture.profiler, name, a_reading())
    running = recording.status is Status.RUNNING
    return archive.publish(recording, EventKind.RUNNING if running else EventKind.FINAL)


def export(archive: Archive, event: Event, target: Path) -> Recording:
    """Write a bundle and return the recording in it."""
    recording = as_exported(archive.load(event), datetime.now(timezone.utc))
    assert write_bundle(recording, stored_parts(archive, event, recording), target) == []
    return recording


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Give a bundle."""
    archive = an_archive(tmp_path / "source")
    export(archive, publish(archive, tmp_path), tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Give a bundle of few bytes."""
    archive = an_archive(tmp_path / "source")
    recording = Recording(
        uuid7(),
        Subject("script", {"name": "x"}),
        Status.COMPLETE,
        Outcome.SUCCESS,
        START,
        captures=(Capture("memray", Status.COMPLETE, files=(CaptureFile("memray.bin", 9),)),),
    )
    (tmp_path / "raw").write_bytes(b"some data")
    archive.put_raw(recording_key(recording), "memray", tmp_path / "raw", "memray.bin")
    export(archive, archive.publish(recording, EventKind.FINAL), tmp_path / "small.zip")
    return tmp_path / "small.zip"


def contents(archive: Archive, event: Event) -> dict[str, bytes]:
    """Return the files of a recording, but its reports."""
    found = {}
    for each in archive.store.list(f"{event.key}/"):
        with archive.store.open(each.key) as stream:
            found[each.key] = stream.read()
    return found


def test_a_recording_is_whole_elsewhere(tmp_path: Path) -> None:
    """Under the same id and key with the same bytes; readings of older revisions and reports stay behind."""
    here, there = an_archive(tmp_path / "here"), an_archive(tmp_path / "there")
    event = publish(here, tmp_path)
    expected = contents(here, event)
    del expected[f"{event.key}/memray/readings/0.1.0-2.json.gz"]
    here.put_report(event.key, "memray", "x", "page.html", b"<script>")
    recording = export(here, event, tmp_path / "b.zip")
    assert import_bundle(tmp_path / "b.zip", there) == (recording, True)
    (found,) = there.recordings()
    assert (found.key, found.kind, there.load(found)) == (event.key, EventKind.FINAL, here.load(event))
    assert contents(there, found) == expected


def test_a_bundle_is_an_ordinary_zip_whose_manifest_has_the_checksums(exported: Path) -> None:
    """Anybody can open it, and only its user can read it."""
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    with zipfile.ZipFile(exported) as opened:
        assert opened.testzip() is None
        manifest = json.loads(opened.read(MANIFEST))
        sums = {each["path"]: each["sha256"] for each in manifest["files"]}
        assert sums == {
            name: hashlib.sha256(opened.read(name)).hexdigest()
            for name in opened.namelist()
            if name != MANIFEST
        }
        assert f"{FOLDER}/{RAW}" in sums
        assert (manifest["kind"], manifest["format"]) == ("profilerkit.recording", 1)


def test_what_is_imported_is_found(tmp_path: Path) -> None:
    """However many numbers it has; one that no list could tell of is refused, and leaves nothing."""
    archive = an_archive(tmp_path / "there")
    many = a_recording(captures=(), summary={f"{number:020}": 1.0 for number in range(200_000)})
    assert write_bundle(many, (), tmp_path / "many.zip") == []
    assert import_bundle(tmp_path / "many.zip", archive) == (many, True)
    assert archive.load(archive.find(many.id)) == many
    before = list(archive.store.list(""))
    endless = a_recording(captures=(), subject=Subject("script", {"name": "x" * (5 << 20)}))
    assert write_bundle(endless, (), tmp_path / "endless.zip") == []
    with pytest.raises(FormatError, match=r"endless\.zip cannot be imported.*cannot be listed"):
        import_bundle(tmp_path / "endless.zip", archive)
    assert list(archive.store.list("")) == before


def test_what_a_recording_lists_twice_is_one_file(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Nobody hears of it, and it can be imported."""
    archive = an_archive(tmp_path / "source")
    capture = Capture("memray", Status.COMPLETE, files=(CaptureFile("memray.bin", 9),))
    recording = a_recording(captures=(capture, capture))
    (tmp_path / "raw").write_bytes(b"some data")
    archive.put_raw(recording_key(recording), "memray", tmp_path / "raw", "memray.bin")
    export(archive, archive.publish(recording, EventKind.FINAL), tmp_path / "b.zip")
    assert [str(each.message) for each in recwarn] == []
    assert import_bundle(tmp_path / "b.zip", an_archive(tmp_path / "there")) == (recording, True)


def test_importing_twice_is_harmless(exported: Path, tmp_path: Path) -> None:
    """The second time changes nothing."""
    archive = an_archive(tmp_path / "there")
    assert import_bundle(exported, archive)[1] is True
    before = list(archive.store.list(""))
    assert import_bundle(exported, archive)[1] is False
    assert list(archive.store.list("")) == before


def test_an_id_with_another_content_is_refused(exported: Path, tmp_path: Path) -> None:
    """What the store has stays as it is."""
    archive = an_archive(tmp_path / "there")
    recording, _ = import_bundle(exported, archive)
    other = evolve(recording, warnings=())
    archive.publish(other, EventKind.FINAL)
    with pytest.raises(ProfilerKitError, match=rf"has a recording {recording.id} already, with another"):
        import_bundle(exported, archive)
    assert archive.load(archive.find(recording.id)) == other


def test_what_was_deleted_is_refused(exported: Path, tmp_path: Path) -> None:
    """A deleted recording cannot come back: no list would show it."""
    archive = an_archive(tmp_path / "there")
    recording, _ = import_bundle(exported, archive)
    archive.delete(recording)
    with pytest.raises(
        ProfilerKitError, match=r"was deleted from this store for good\. Import it into another"
    ):
        import_bundle(exported, archive)


def test_a_running_recording_does_not_run_elsewhere(tmp_path: Path) -> None:
    """It is interrupted there, with the reason, and so is each capture that was running."""
    here, there = an_archive(tmp_path / "here"), an_archive(tmp_path / "there")
    captures = (evolve(a_recording().captures[0], status=Status.RUNNING), Capture("cpu", Status.SKIPPED))
    event = publish(here, tmp_path, status=Status.RUNNING, outcome=None, ended_at=None, captures=captures)
    export(here, event, tmp_path / "b.zip")
    found, _ = import_bundle(tmp_path / "b.zip", there)
    assert (found.status, found.outcome) == (Status.INTERRUPTED, Outcome.UNKNOWN)
    assert [each.status for each in found.captures] == [Status.INTERRUPTED, Status.SKIPPED]
    assert "while it was still running" in found.evidence[-1].text
    assert here.load(event).status is Status.RUNNING


def test_a_lost_file_is_told_and_the_rest_exported(tmp_path: Path) -> None:
    """A damaged recording is just what one wants to send to somebody."""
    here, there = an_archive(tmp_path / "here"), an_archive(tmp_path / "there")
    event = publish(here, tmp_path)
    here.store.delete(f"{event.key}/{RAW}")
    recording = here.load(event)
    missing = write_bundle(recording, stored_parts(here, event, recording), tmp_path / "b.zip")
    assert missing == [f"{FOLDER}/{RAW}"]
    assert import_bundle(tmp_path / "b.zip", there) == (recording, True)


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    """Neither half of a file nor a temporary one; what was there before stays."""
    target = tmp_path / "out" / "b.zip"
    target.parent.mkdir()
    target.write_bytes(b"before")

    def fail() -> Any:
        raise StoreError("The store is gone.")

    with pytest.raises(StoreError):
        write_bundle(a_recording(), [bundle.Part("x", fail)], target)
    assert [(each.name, each.read_bytes()) for each in target.parent.iterdir()] == [("b.zip", b"before")]
    with pytest.raises(ProfilerKitError, match="is no file"):
        write_bundle(a_recording(), [], Path(os.devnull))
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


class FailingStore(LocalStore):
    """A store that takes no events."""

    def put(self, key: str, data: Path | bytes) -> None:
        if key.startswith("journal/"):
            raise StoreError("The store is gone.")
        super().put(key, data)


def test_a_failed_import_leaves_nothing(exported: Path, tmp_path: Path) -> None:
    """When the store fails on the way, what was stored until then is taken back."""
    archive = Archive(FailingStore(tmp_path.resolve() / "there"))
    with pytest.raises(StoreError):
        import_bundle(exported, archive)
    assert files_of(archive) == []


def files_of(archive: Archive) -> list[StoredObject]:
    """Return all that a store has."""
    return list(archive.store.list(""))


def refusal(data: bytes, folder: Path) -> str:
    """Return why a bundle of these bytes is refused, in one line that leaves nothing in the store."""
    path = folder / "hostile.zip"
    path.write_bytes(data)
    archive = an_archive(folder / "there")
    with pytest.raises(FormatError) as raised:
        import_bundle(path, archive)
    text = str(raised.value)
    assert text.startswith(f"{path} cannot be imported. ")
    assert text.isprintable()
    assert len(text) < 1000
    assert not (folder / "there").exists()
    return text


def test_a_bundle_that_is_cut_anywhere_is_refused(small: Path, tmp_path: Path) -> None:
    """Every shorter one is."""
    data = small.read_bytes()
    for length in range(len(data)):
        refusal(data[:length], tmp_path)


def test_a_bundle_of_which_a_bit_is_flipped_does_no_harm(small: Path, tmp_path: Path) -> None:
    """In each byte in turn: it is refused, unless only the zip's own decoration was hit."""
    data = small.read_bytes()
    whole, _ = import_bundle(small, an_archive(tmp_path / "whole"))
    path = tmp_path / "hostile.zip"
    taken = 0
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        archive = an_archive(tmp_path / f"there{taken}")
        try:
            assert import_bundle(path, archive) == (whole, True)
            taken += 1
        except FormatError as error:
            assert "cannot be imported" in str(error)
            assert files_of(archive) == []
    assert taken < len(data) / 5


def entries(path: Path) -> dict[str, bytes]:
    """Return what is in a bundle."""
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(
    files: dict[str, bytes], *, manifest: Callable[[dict[str, Any]], Any] = lambda data: data
) -> bytes:
    """Return a bundle of these files with a manifest that fits, changed by `manifest`."""
    listed = [
        {"path": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
        if name != MANIFEST
    ]
    told = manifest({"kind": "profilerkit.recording", "format": 1, "files": listed})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, data in {**files, MANIFEST: json.dumps(told).encode()}.items():
            opened.writestr(name, data)
    return out.getvalue()


def changed(path: Path, **changes: Any) -> dict[str, bytes]:
    """Return the files of a bundle with another recording."""
    files = entries(path)
    recording = {**json.loads(files[RECORDING]), **changes}
    return {**files, RECORDING: json.dumps(recording).encode()}


def hostile_bundles(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield a name, the word of its refusal, and the bytes of each."""
    files = entries(path)
    raw = f"{FOLDER}/{RAW}"
    for name in (
        "../evil",
        "/tmp/evil",
        "recording/../../evil",
        "recording/memray/raw/../../../../evil.zst",
        "recording/memray/reports/1-0-x/page.html",
        "recording/memray/readings/../x.json.gz",
        "recording/memray/readings/.tmp-x.json.gz",
        "recording/other/readings/x.json.gz",
        "recording/memray/raw/unknown.zst",
        "C:\\evil",
        "recording/\x1b[31m" + "x" * 5000,
    ):
        yield f"name {name[:30]!r}", "no file of its recording", zipped({**files, name: b"x"})
    yield "no zip", "nothing that profilerkit exported", b"x" * 1000
    yield "empty", "It was cut", b""
    yield "no manifest", "has no manifest", _zip([(zipfile.ZipInfo(RECORDING), files[RECORDING])])
    yield "another kind", "nothing that", zipped(files, manifest=lambda data: {**data, "kind": "x"})
    yield "a list", "nothing that", zipped(files, manifest=lambda data: [data])
    yield (
        "newer",
        "It has format 2; this version reads up to 1. Install a newer",
        zipped(files, manifest=lambda data: {**data, "format": 2, "files": {}}),
    )
    yield "no files", "KeyError", zipped(files, manifest=lambda data: {**data, "files": [{}]})
    yield "listed twice", "twice", zipped(files, manifest=lambda data: {**data, "files": data["files"] * 2})
    yield (
        "one missing",
        "not those that",
        zipped(files, manifest=lambda data: {**data, "files": data["files"][1:]}),
    )
    yield "wrong checksum", "another checksum", zipped(files, manifest=_wrong_checksum)
    yield "wrong size", "not those that", zipped(files, manifest=_wrong_size)
    yield "huge manifest", "has over", zipped(files, manifest=lambda data: {**data, "x": "x" * (9 << 20)})
    deep = _zip([(zipfile.ZipInfo(MANIFEST), b"[" * 1_000_000)])
    yield "deep manifest", "RecursionError", deep
    yield "deep recording", "damaged", zipped({**files, RECORDING: b"[" * 1_000_000})
    yield "newer recording", "It has format 9", zipped(changed(path, format=9))
    yield "no recording", "KeyError", zipped({raw: files[raw]})
    yield "running", "does not run any more", zipped(changed(path, status="running"))
    for identity in ("zzz", "../../x", "", "\x1b[31m"):
        yield f"id {identity!r}", "no id of a recording", zipped(changed(path, id=identity))
    yield "kind", "damaged", zipped(changed(path, subject={"kind": "../x", "names": {}}))
    both = [{"path": "a", "size_bytes": 1}, {"path": "a.zst/b", "size_bytes": 1}]
    clash = changed(path, captures=[{"profiler": "x", "status": "complete", "files": both}])
    clash = {RECORDING: clash[RECORDING], "recording/x/raw/a.zst": b"1", "recording/x/raw/a.zst/b.zst": b"2"}
    yield "folder of another", "folder of another", zipped(clash)
    plain = [(zipfile.ZipInfo(name), data) for name, data in entries(path).items()]
    yield "duplicate", "several files of one name", _zip([*plain, (zipfile.ZipInfo(raw), files[raw])])
    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR):
        special = zipfile.ZipInfo(raw)
        special.external_attr = (kind | 0o777) << 16
        yield (
            f"kind {kind:o}",
            "no plain file",
            _zip([(special if e.filename == raw else e, d) for e, d in plain]),
        )
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        packed = zipfile.ZipInfo(raw)
        packed.compress_type = method
        yield (
            f"packed {method}",
            "no plain file",
            _zip([(packed if e.filename == raw else e, d) for e, d in plain]),
        )
        bomb = zipfile.ZipInfo(MANIFEST)
        bomb.compress_type = method
        yield f"bomb {method}", "no plain file", _zip([(bomb, bytes(20 << 20))])
    yield "shared content", "share their content", _overlapping(files, raw)
    yield "many", "over 10,000 files", _zip([(zipfile.ZipInfo(str(n)), b"") for n in range(10_100)])
    yield "many, 64", "over 10,000 files", _zip([(zipfile.ZipInfo(str(n)), b"") for n in range(66_000)])


def _zip(files: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for entry, data in files:
            opened.writestr(entry, data)
    return out.getvalue()


def _wrong_checksum(data: dict[str, Any]) -> dict[str, Any]:
    data["files"][-1]["sha256"] = "0" * 64
    return data


def _wrong_size(data: dict[str, Any]) -> dict[str, Any]:
    data["files"][-1]["size_bytes"] += 1
    return data


def _overlapping(files: dict[str, bytes], raw: str) -> bytes:
    """Return a bundle in which a hundred readings are the same bytes of the file."""
    big = os.urandom(100_000)
    names = [f"{FOLDER}/memray/readings/{number:03}.json.gz" for number in range(100)]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name in (raw, RECORDING):
            opened.writestr(name, files[name])
        opened.writestr(names[0], big)
        first = opened.getinfo(names[0])
        for name in names[1:]:
            entry = zipfile.ZipInfo(name)
            entry.file_size = entry.compress_size = len(big)
            entry.CRC, entry.header_offset = first.CRC, first.header_offset
            opened.filelist.append(entry)
        sums = {**dict.fromkeys(names, big), raw: files[raw], RECORDING: files[RECORDING]}
        listed = [
            {"path": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sums.items()
        ]
        told = {"kind": "profilerkit.recording", "format": 1, "files": listed}
        opened.writestr(MANIFEST, json.dumps(told))
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_bundles_are_refused_in_one_line(exported: Path, tmp_path: Path) -> None:
    """Whatever is wrong is said, and the store is not even made."""
    said = {}
    for name, word, data in hostile_bundles(exported):
        said[name] = (word in refusal(data, tmp_path), refusal(data, tmp_path))
    assert {name: text for name, (fits, text) in said.items() if not fits} == {}
    assert import_bundle(exported, an_archive(tmp_path / "there"))[1] is True


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO that nobody writes to, an endless device, a folder, nothing."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero"), tmp_path, tmp_path / "none"):
        with pytest.raises(ProfilerKitError, match=r"is no file|cannot be opened"):
            import_bundle(path, an_archive(tmp_path / "there"))
    assert not (tmp_path / "there").exists()


def test_odd_names_survive(tmp_path: Path) -> None:
    """Names of profilers and files that are no names of files, as a third party's may be."""
    here, there = an_archive(tmp_path / "here"), an_archive(tmp_path / "there")
    files = tuple(CaptureFile(name, 10) for name in ("sub/%2e", "con", ODD, "x" * 400))
    captures = tuple(Capture(name, Status.COMPLETE, files=files) for name in (ODD, "manifest.json", ".."))
    event = publish(here, tmp_path, captures=captures)
    recording = export(here, event, tmp_path / "b.zip")
    assert import_bundle(tmp_path / "b.zip", there) == (recording, True)
    assert len(contents(there, event)) == len(contents(here, event)) - 1 == 14


LARGE = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from profilerkit.archive import Archive
from profilerkit.bundle import stored_parts, write_bundle
from profilerkit.unbundle import import_bundle
from profilerkit.localstore import LocalStore
here, there, target = (Path(each) for each in sys.argv[1:])
archive = Archive(LocalStore(here))
(event,) = archive.recordings()
recording = archive.load(event)
assert write_bundle(recording, stored_parts(archive, event, recording), target) == []
import_bundle(target, Archive(LocalStore(there)))
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.slow
def test_a_large_capture_needs_little_memory(tmp_path: Path) -> None:
    """A capture of 300 MiB, which does not shrink, is exported and imported in under 100 MiB."""
    here = an_archive(tmp_path)
    recording = evolve(
        a_recording(),
        id=uuid7(),
        captures=(Capture("memray", Status.COMPLETE, files=(CaptureFile("memray.bin", 300 << 20),)),),
    )
    raw = tmp_path / "raw"
    with raw.open("wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
    here.put_raw(recording_key(recording), "memray", raw, "memray.bin", scratch=tmp_path)
    here.publish(recording, EventKind.FINAL)
    done = subprocess.run(
        [sys.executable, "-c", LARGE, tmp_path / "store", tmp_path / "there", tmp_path / "b.zip"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "b.zip").stat().st_size > 300 << 20
    assert int(done.stdout) < 100
