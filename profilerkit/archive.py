"""Keep recordings in a store: its layout, and what may be lost or hostile in it."""

from __future__ import annotations

import gzip
import json
import logging
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from attrs import evolve, frozen

from profilerkit.codec import recording_from_json, recording_to_json, to_json
from profilerkit.errors import CaptureError, FormatError, NotFoundError, UsageError
from profilerkit.ids import uuid7
from profilerkit.interfaces import ResultStore
from profilerkit.journal import Journal, fitting
from profilerkit.keys import capture_key, escape, escape_path, recording_key
from profilerkit.model import Capture, Event, EventKind, Evidence, Outcome, Recording, Status
from profilerkit.rawfiles import compress, compressor, decompress, decompressed, inside
from profilerkit.reading import Reading
from profilerkit.readingjson import MOST_BYTES, reading_from_bytes, reading_to_json

MIB = 1 << 20
SMALL_BYTES = 4 * MIB
"""Raw files up to this size are compressed in memory."""
RECORDING_BYTES = 64 * MIB
SILENT_INTERVALS = 3
"""A running recording that missed so many checkpoints is taken for interrupted."""
LONGEST_INTERVAL_SECONDS = 86_400.0
"""A checkpoint interval that is longer, or no number at all, counts as this."""
SHORTEST_PREFIX = 4

log = logging.getLogger("profilerkit.archive")


@frozen
class Archive:
    """The recordings in one store. Every method may be called from any thread.

    All raise StoreError when the store cannot be read or written.
    """

    store: ResultStore

    @property
    def journal(self) -> Journal:
        """Return the events of the store."""
        return Journal(self.store)

    def publish(self, recording: Recording, kind: EventKind) -> Event:
        """Store what is known of a recording, then the event that makes others see it.

        Its raw files are stored before, so that nobody sees a file that is not there. Raises FormatError
        for what nobody could read again; nothing is stored then.
        """
        event, data = as_stored(recording, kind)
        if kind is not EventKind.DELETED:
            self.store.put(f"{event.key}/recording.json", data)
        self.journal.append(event)
        return event

    def events(self) -> Iterator[Event]:
        """Yield every event that can be read, in any order."""
        return self.journal.events()

    def recordings(self) -> list[Event]:
        """Return for each recording that was not deleted the event that counts, newest first."""
        return self.journal.current()

    def find(self, reference: str) -> Event:
        """Return the recording of an id, the unique beginning of one, or `latest`.

        Raises NotFoundError, or UsageError for a beginning that several have.
        """
        if reference.lower() == "latest":
            found = self.recordings()[:1]
            if not found:
                raise NotFoundError("There is no recording in the store yet.")
            return found[0]
        beginning = _id_prefix(reference)
        if len(beginning) < SHORTEST_PREFIX:
            raise UsageError(
                f"{reference!r} is too short to name a recording.", "Give at least 4 characters."
            )
        found = self.journal.current(beginning)
        if not found:
            raise NotFoundError(f"There is no recording {reference!r} in the store.")
        exact = [event for event in found if event.recording.id == beginning]
        if len(found) > 1 and not exact:
            some = ", ".join(event.recording.id for event in found[:5]) + (", …" if len(found) > 5 else "")
            raise UsageError(f"{reference!r} names {len(found)} recordings ({some}).", "Give more of the id.")
        return (exact or found)[0]

    def load(self, event: Event) -> Recording:
        """Return the whole recording; if that is lost or damaged, what its event says, with a warning.

        Raises FormatError when it is of a newer format.
        """
        try:
            with self.store.open(f"{event.key}/recording.json") as stream:
                recording = recording_from_json(_read_all(stream, RECORDING_BYTES))
            if recording.id == event.recording.id:
                return recording
            problem = f"It is of another recording ({recording.id})."
        except NotFoundError:
            problem = "It is gone."
        except FormatError as error:
            if error.mend is not None:
                raise FormatError(
                    f"The recording {event.recording.id} cannot be read. {error.what}", error.mend
                ) from error
            problem = error.what
        warning = f"Only the journal tells of this recording, its recording.json cannot be read. {problem}"
        log.warning("%s: %s", event.recording.id, warning)
        return evolve(event.recording, warnings=(*event.recording.warnings, warning))

    def delete(self, recording: Event | Recording) -> None:
        """Delete a recording: first an event that says so, then its folder."""
        if isinstance(recording, Event):
            key, recording = recording.key, recording.recording
        else:
            key = recording_key(recording)
        self.publish(recording, EventKind.DELETED)
        self.store.delete(key)

    def put_raw(
        self, recording_key: str, profiler: str, path: Path, name: str, *, scratch: Path | None = None
    ) -> int:
        """Store a raw file compressed, under its name with `/` in the capture; return the bytes stored.

        Of a file that grows meanwhile what was there at the beginning is stored. A large one is
        compressed into `scratch`, else into the system's temporary folder. Raises FileNotFoundError
        and OSError when the file cannot be read.
        """
        key = _raw_key(recording_key, profiler, name)
        with open(path, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            if size <= SMALL_BYTES:
                data = compressor().compress(source.read(size))
                self.store.put(key, data)
                return len(data)
            with tempfile.TemporaryDirectory(prefix=".tmp-", dir=scratch) as folder:
                target = Path(folder) / "raw.zst"
                compress(source, size, target)
                stored = target.stat().st_size
                self.store.put(key, target)
                return stored

    def fetch_raw(
        self, where: Event | str, capture: Capture, folder: Path, *, limit_bytes: int | None = None
    ) -> None:
        """Write the raw files of a capture under `folder`, which has none of them yet.

        `where` is the event or the key of the recording. Raises LimitError when together they would
        have more than `limit_bytes`, FormatError for a damaged file or one that would lie elsewhere.
        """
        key = where if isinstance(where, str) else where.key
        left = limit_bytes
        try:
            for file in capture.files:
                target = inside(folder, file.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                with self.store.open(_raw_key(key, capture.profiler, file.path)) as source:
                    written = decompress(source, target, left, file.path)
                left = None if left is None else left - written
        except OSError as error:
            raise CaptureError(f"The capture of {capture.profiler} cannot be fetched: {error}.") from error

    def raw_blocks(self, where: Event | str, profiler: str, name: str) -> Iterator[bytes]:
        """Yield a raw file as it was, a MiB at a time at most.

        Raises NotFoundError, and FormatError when it is damaged, which may be seen only at its end.
        """
        key = where if isinstance(where, str) else where.key
        with self.store.open(_raw_key(key, profiler, name)) as source:
            yield from decompressed(source, name)

    def put_reading(self, recording_key: str, profiler: str, name: str, reading: Reading) -> None:
        """Store a reading as `<reader version>-<capture revision>`, which is its name."""
        data = gzip.compress(to_json(reading_to_json(reading)), compresslevel=6, mtime=0)
        self.store.put(_reading_key(recording_key, profiler, name), data)

    def get_reading(self, recording_key: str, profiler: str, name: str) -> Reading:
        """Return a reading. Raises NotFoundError, or FormatError when it is damaged or too new."""
        with self.store.open(_reading_key(recording_key, profiler, name)) as stream:
            try:
                with gzip.GzipFile(fileobj=stream) as text:
                    data = text.read(MOST_BYTES + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise FormatError(f"The reading of {profiler} is damaged ({error}).") from error
        return reading_from_bytes(data)

    def put_report(self, recording_key: str, profiler: str, name: str, file: str, data: Path | bytes) -> None:
        """Store a report made with what `report_name` says."""
        self.store.put(_report_key(recording_key, profiler, name, file), data)

    def open_report(
        self, recording_key: str, profiler: str, name: str, file: str
    ) -> AbstractContextManager[BinaryIO]:
        """Open a report. Raises NotFoundError when it was not made yet."""
        return self.store.open(_report_key(recording_key, profiler, name, file))


def as_stored(recording: Recording, kind: EventKind) -> tuple[Event, bytes]:
    """Return the event and the `recording.json` of a recording.

    Raises FormatError when nobody could read them again.
    """
    key = recording_key(recording)
    event = fitting(Event(uuid7(), kind, recording, key, datetime.now(timezone.utc)))
    data = recording_to_json(recording)
    if len(data) > RECORDING_BYTES:
        raise FormatError(
            f"The recording {recording.id[:100]} is too large (over {RECORDING_BYTES >> 20} MiB)."
        )
    recording_from_json(data)
    return event, data


def report_name(report: str, revision: int, renderer_version: str, options: Mapping[str, Any]) -> str:
    """Return the name of the folder for a report: another capture, renderer or option, another name."""
    chosen = json.dumps([report, options], sort_keys=True, separators=(",", ":"), default=str)
    return f"{revision}-{renderer_version}-{sha256(chosen.encode('ascii')).hexdigest()[:16]}"


def effective_status(
    found: Event | Recording, now: datetime
) -> tuple[Status, Outcome | None, Evidence | None]:
    """Return status and outcome as they are to be shown, and why if they are not those stored.

    A running recording that has given no sign of life for three checkpoint intervals is interrupted:
    nobody was left to say so. If it reports later, that counts again.
    """
    recording = found.recording if isinstance(found, Event) else found
    seen, silence = last_sign(found)
    if recording.status is not Status.RUNNING or now - seen <= silence:
        return recording.status, recording.outcome, None
    text = f"no sign of life since {seen:%Y-%m-%d %H:%M:%S} UTC"
    evidence = Evidence("silence", text, {"alive_at": seen.isoformat()})
    return Status.INTERRUPTED, Outcome.UNKNOWN, evidence


def last_sign(found: Event | Recording) -> tuple[datetime, timedelta]:
    """Return when a recording last gave a sign of life, and how long it may be silent after that."""
    recording = found.recording if isinstance(found, Event) else found
    written_at = found.written_at if isinstance(found, Event) else recording.started_at
    interval = recording.checkpoint_interval_seconds
    interval = interval if 0 <= interval <= LONGEST_INTERVAL_SECONDS else LONGEST_INTERVAL_SECONDS
    return recording.alive_at or written_at, timedelta(seconds=SILENT_INTERVALS * interval)


def _id_prefix(reference: str) -> str:
    """Return the beginning of an id as ids are written, whether typed with dashes or not."""
    digits = reference.strip().lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return reference.strip()
    ends = (0, 8, 12, 16, 20, 32)
    parts = [digits[start:end] for start, end in pairwise(ends)]
    return "-".join(part for part in parts if part)


def _raw_key(recording_key: str, profiler: str, name: str) -> str:
    return capture_key(recording_key, profiler, "raw", f"{escape_path(name)}.zst")


def _reading_key(recording_key: str, profiler: str, name: str) -> str:
    return capture_key(recording_key, profiler, "readings", f"{escape(name, 120)}.json.gz")


def _report_key(recording_key: str, profiler: str, name: str, file: str) -> str:
    return capture_key(recording_key, profiler, "reports", escape(name, 120), escape(file, 100))


def _read_all(stream: BinaryIO, limit_bytes: int) -> bytes:
    data = stream.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise FormatError(f"It is damaged (more than {limit_bytes} bytes).")
    return data
