"""Take a recording from a file that `bundle` wrote, or that anybody may have made."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from profilerkit.archive import RECORDING_BYTES, Archive, as_stored
from profilerkit.bundle import FOLDER, FORMAT, KIND, MANIFEST, MIB, MOST_FILES, RECORDING, raw_name
from profilerkit.codec import recording_from_json
from profilerkit.errors import FormatError, ProfilerKitError, UsageError
from profilerkit.journal import DAYS
from profilerkit.keys import capture_key, escape, is_part, recording_key
from profilerkit.model import EventKind, Recording, Status

MANIFEST_BYTES = 8 * MIB
DIRECTORY_BYTES = 8 * MIB
"""A larger list of entries is not read: it would take far more memory."""
END_BYTES = 22
"""Of the record that ends a zip without a comment; the two of large ones before it have 20 and 56."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def import_bundle(path: Path, archive: Archive) -> tuple[Recording, bool]:
    """Store what is in a bundle; return the recording, and whether it is new to the store.

    All of the file is checked before anything is stored. Raises FormatError for a file that is damaged,
    newer or foreign, ProfilerKitError for a recording that the store had or has with another content.
    """
    with _opened(path) as stream:
        with _in_words(path):
            _check_end(stream)
            bundle = zipfile.ZipFile(stream)
            files = _files(bundle, os.fstat(stream.fileno()).st_size)
            recording = _recording(bundle)
            _check_names(recording, files)
            for name, sha256 in files.items():
                _check(bundle, name, sha256)
            as_stored(recording, EventKind.FINAL)  # what nobody could find again is refused
        if _is_there(archive, recording):
            return recording, False
        _store(bundle, files, archive, recording)
    return recording, True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file: a FIFO or a device would make us wait, or read for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise ProfilerKitError(f"{path} cannot be opened ({error.strerror}).") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path} is no file.", "Save it as one, and import that.")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except ProfilerKitError as error:
        raise FormatError(f"{path} cannot be imported. {error.what}", error.mend) from None
    except Exception as error:  # noqa: BLE001 - whatever a hostile zip makes of its reader
        words = " ".join(str(error).split())[:200]
        raise FormatError(
            f"{path} cannot be imported. It is damaged, or nothing that profilerkit exported "
            f"({type(error).__name__}: {words})."
        ) from None


def _check_end(stream: BinaryIO) -> None:
    """Raise FormatError unless a zip as we write it ends here, with a list of entries of a fair size."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - END_BYTES - 20 - 56))
    end = stream.read()
    last = end[-END_BYTES:]
    if not last.startswith(b"PK\5\6") or not last.endswith(b"\0\0"):
        raise FormatError("It was cut, or it is nothing that profilerkit exported.")
    count, directory_bytes = struct.unpack("<HL", last[10:16])
    if end[-END_BYTES - 20 :].startswith(b"PK\6\7"):
        (place,) = struct.unpack("<Q", end[-END_BYTES - 12 : -END_BYTES - 4])
        if place != size - len(end) or not end.startswith(b"PK\6\6"):
            raise FormatError("It is damaged: its end does not fit together.")
        count, directory_bytes = struct.unpack("<QQ", end[32:48])
    if count > MOST_FILES + 1 or directory_bytes > DIRECTORY_BYTES:
        raise FormatError(f"It holds over {MOST_FILES:,} files.")
    stream.seek(0)


def _files(bundle: zipfile.ZipFile, size_bytes: int) -> dict[str, str]:
    """Return name and checksum of each file that the manifest lists: just those that are there."""
    entries = bundle.infolist()
    named = {each.filename: each for each in entries}
    if MANIFEST not in named:
        raise FormatError("It is nothing that profilerkit exported: it has no manifest.")
    listed = _manifest(_content(bundle, named[MANIFEST], MANIFEST_BYTES))
    if len(named) != len(entries):
        raise FormatError("It is damaged: it holds several files of one name.")
    for each in entries:
        _check_plain(each)
    if sum(each.file_size for each in entries) > size_bytes:
        raise FormatError("It is damaged: its files share their content.")
    found = {name: each.file_size for name, each in named.items() if name != MANIFEST}
    if found != {name: size for name, (size, _) in listed.items()}:
        raise FormatError("It is damaged: its files are not those that its manifest lists.")
    return {name: sha256 for name, (_, sha256) in listed.items()}


def _manifest(data: bytes) -> dict[str, tuple[int, str]]:
    manifest = json.loads(data)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise FormatError("It is nothing that profilerkit exported.")
    stored = manifest["format"]
    if not isinstance(stored, int) or stored > FORMAT:
        raise FormatError(
            f"It has format {str(stored)[:20]}; this version reads up to {FORMAT}.",
            "Install a newer profilerkit.",
        )
    files = manifest["files"]
    listed = {each["path"]: (each["size_bytes"], each["sha256"]) for each in files}
    if len(listed) != len(files):
        raise FormatError("It is damaged: its manifest lists a file twice.")
    return listed


def _check_plain(entry: zipfile.ZipInfo) -> None:
    """Raise FormatError for an entry that we would not have written: a link, a folder, a packed one."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    packed = entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size
    if packed or entry.flag_bits & 1 or entry.is_dir() or kind not in (0, stat.S_IFREG):
        raise FormatError(
            f"It is nothing that profilerkit exported: {entry.filename[:100]!r} is no plain file."
        )


def _content(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, limit_bytes: int) -> bytes:
    _check_plain(entry)
    if entry.file_size > limit_bytes:
        raise FormatError(f"It is damaged: {entry.filename[:100]!r} has over {limit_bytes} bytes.")
    with bundle.open(entry) as stream:
        return stream.read(limit_bytes)


def _recording(bundle: zipfile.ZipFile) -> Recording:
    """Return the recording. Raises FormatError for one that is none, or that would still be running."""
    recording = recording_from_json(_content(bundle, bundle.getinfo(RECORDING), RECORDING_BYTES))
    if not _ID.fullmatch(recording.id):
        raise FormatError(f"It is damaged: {recording.id[:100]!r} is no id of a recording.")
    if recording.status is Status.RUNNING:
        raise FormatError("It is damaged: what was exported does not run any more.")
    return recording


def _check_names(recording: Recording, files: Mapping[str, str]) -> None:
    """Raise FormatError for a file that does not belong to the recording."""
    known = {raw_name(each.profiler, file.path) for each in recording.captures for file in each.files}
    readings = {capture_key(FOLDER, each.profiler, "readings") for each in recording.captures}
    for name in files:
        folder, _, leaf = name.rpartition("/")
        reading = folder in readings and leaf.endswith(".json.gz") and is_part(leaf)
        if name != RECORDING and name not in known and not reading:
            raise FormatError(f"It is damaged: {name[:100]!r} is no file of its recording.")
    parts = [name.split("/") for name in files]
    if any("/".join(each[:length]) in files for each in parts for length in range(1, len(each))):
        raise FormatError("It is damaged: one of its files would be the folder of another.")


def _check(bundle: zipfile.ZipFile, name: str, sha256: str, copy: BinaryIO | None = None) -> None:
    """Raise FormatError unless the content of an entry is what the manifest says; copy it meanwhile."""
    digest = hashlib.sha256()
    with bundle.open(name) as stream:
        while chunk := stream.read(MIB):
            digest.update(chunk)
            if copy is not None:
                copy.write(chunk)
    if digest.hexdigest() != sha256:
        raise FormatError(f"It is damaged: {name[:100]!r} has another checksum than its manifest says.")


def _is_there(archive: Archive, recording: Recording) -> bool:
    """Tell whether the store has this very recording. Raises ProfilerKitError if it has, or had, another."""
    mark = f"-{escape(recording.id, 64)}-"
    journal = archive.journal
    keys = journal.keys()
    events = journal.read(key for key in keys if key.startswith(DAYS) or mark in key)
    kinds = {event.kind for _, event in events if event.recording.id == recording.id}
    elsewhere = "Import it into another store: --store FOLDER"
    if EventKind.DELETED in kinds:
        raise ProfilerKitError(
            f"The recording {recording.id} was deleted from this store for good.", elsewhere
        )
    if not kinds:
        return False
    if archive.load(archive.find(recording.id)) == recording:
        return True
    raise ProfilerKitError(
        f"The store has a recording {recording.id} already, with another content.", elsewhere
    )


def _store(bundle: zipfile.ZipFile, files: Mapping[str, str], archive: Archive, recording: Recording) -> None:
    key = recording_key(recording)
    is_new = next(iter(archive.store.list(f"{key}/")), None) is None
    try:
        with tempfile.TemporaryDirectory(prefix="profilerkit-") as scratch:
            for name, sha256 in files.items():
                if name != RECORDING:
                    part = Path(scratch, "part")
                    with part.open("wb") as copy:
                        _check(bundle, name, sha256, copy)
                    archive.store.put(key + name.removeprefix(FOLDER), part)
        archive.publish(recording, EventKind.FINAL)
    except BaseException:
        if is_new:  # of what nobody sees nothing is left
            with contextlib.suppress(Exception):
                archive.store.delete(key)
        raise
