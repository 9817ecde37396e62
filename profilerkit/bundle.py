"""Put a recording into one file that can be sent; `unbundle` takes it from there.

The file is a zip whose entries are not compressed: they are already, and so none can be larger than it
seems. `manifest.json` names the others with their checksums; the reference of the store's format has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from attrs import evolve, frozen

from profilerkit._version import __version__
from profilerkit.archive import Archive
from profilerkit.codec import recording_to_json, to_json
from profilerkit.errors import FormatError, NotFoundError, UsageError
from profilerkit.keys import capture_key, escape, escape_path
from profilerkit.model import Event, Evidence, Outcome, Recording, Status
from profilerkit.outfile import replacing

KIND = "profilerkit.recording"
FORMAT = 1
MANIFEST = "manifest.json"
FOLDER = "recording"
"""Where the recording's folder, as a store has it, begins in a bundle."""
RECORDING = f"{FOLDER}/recording.json"

MIB = 1 << 20
MOST_FILES = 10_000


@frozen
class Part:
    """One file of a recording: its name in a bundle, and how it is opened (NotFoundError: it is gone)."""

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]


def raw_name(profiler: str, path: str) -> str:
    """Return the name in a bundle of a raw file, which there is compressed as in a store."""
    return capture_key(FOLDER, profiler, "raw", f"{escape_path(path)}.zst")


def reading_part(profiler: str, name: str, data: bytes) -> Part:
    """Return a reading as a part of a bundle."""
    path = capture_key(FOLDER, profiler, "readings", f"{escape(name, 120)}.json.gz")
    return Part(path, lambda: contextlib.nullcontext(io.BytesIO(data)))


def stored_parts(archive: Archive, event: Event, recording: Recording) -> Iterator[Part]:
    """Yield the raw files and the readings of a recording in a store. Raises StoreError."""
    store = archive.store
    for capture in recording.captures:
        for file in capture.files:
            name = raw_name(capture.profiler, file.path)
            yield Part(name, partial(store.open, event.key + name.removeprefix(FOLDER)))
        for found in store.list(capture_key(event.key, capture.profiler, "readings/")):
            if found.key.endswith(f"-{recording.revision}.json.gz"):
                yield Part(FOLDER + found.key.removeprefix(event.key), partial(store.open, found.key))


def as_exported(recording: Recording, now: datetime) -> Recording:
    """Return a recording that nobody elsewhere takes for one that runs for ever."""
    captures = tuple(
        evolve(each, status=Status.INTERRUPTED) if each.status is Status.RUNNING else each
        for each in recording.captures
    )
    if recording.status is not Status.RUNNING:
        return evolve(recording, captures=captures)
    text = f"exported at {now:%Y-%m-%d %H:%M:%S} UTC, while it was still running: known until then"
    evidence = (*recording.evidence, Evidence("export", text, {"exported_at": now.isoformat()}))
    return evolve(
        recording,
        captures=captures,
        status=Status.INTERRUPTED,
        outcome=Outcome.UNKNOWN,
        evidence=evidence,
    )


def write_bundle(recording: Recording, parts: Iterable[Part], target: Path) -> list[str]:
    """Write a bundle, whole or not at all, readable by its user alone; return the parts that were gone.

    Raises UsageError when `target` cannot be a file, FormatError when there are too many parts.
    """
    target = Path(os.path.realpath(target))
    if target.exists() and not target.is_file():
        raise UsageError(f"{target} is no file.", "Choose another place with -o.")
    with replacing(target, private=True) as stream:
        return _write(stream, recording, parts)


def _write(stream: BinaryIO, recording: Recording, parts: Iterable[Part]) -> list[str]:
    own = Part(RECORDING, lambda: contextlib.nullcontext(io.BytesIO(recording_to_json(recording))))
    files: list[dict[str, Any]] = []
    missing = []
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as bundle:
        # What is listed twice, as a damaged recording may have it, is one file.
        for part in {each.name: each for each in (own, *parts)}.values():
            try:
                with part.open() as source:
                    files.append(_add(bundle, part.name, source))
            except NotFoundError:
                missing.append(part.name)
            if len(files) >= MOST_FILES:
                raise FormatError(f"A recording of over {MOST_FILES:,} files cannot be exported.")
        manifest = {"kind": KIND, "format": FORMAT, "profilerkit": __version__, "files": files}
        bundle.writestr(zipfile.ZipInfo(MANIFEST), to_json(manifest))
    return missing


def _add(bundle: zipfile.ZipFile, name: str, source: BinaryIO) -> dict[str, Any]:
    size, digest = 0, hashlib.sha256()
    with bundle.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
        while chunk := source.read(MIB):
            size += len(chunk)
            digest.update(chunk)
            target.write(chunk)
    return {"path": name, "size_bytes": size, "sha256": digest.hexdigest()}
