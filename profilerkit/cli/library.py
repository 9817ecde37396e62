"""See the recordings of a store and those that still lie in this host's spool as one list."""

from __future__ import annotations

import contextlib
import logging
import shutil
from datetime import datetime, timezone
from pathlib import Path

import attrs

from profilerkit import spool
from profilerkit.archive import Archive, effective_status
from profilerkit.assemble import assemble
from profilerkit.errors import NotFoundError, ProfilerKitError, UsageError
from profilerkit.model import Capture, Event, EventKind, Recording
from profilerkit.reading import Reading
from profilerkit.render import Shelf, StoreShelf
from profilerkit.settings import Settings
from profilerkit.stores import open_store
from profilerkit.storeurl import store_fingerprint

log = logging.getLogger("profilerkit.cli")


@attrs.frozen
class Entry:
    """One recording, and where it is."""

    recording: Recording
    event: Event | None = None
    spool: Path | None = None


class Library:
    """All recordings that a command can speak of."""

    def __init__(self, settings: Settings) -> None:
        self._spool_root = settings.spool_folder
        self._fingerprint = store_fingerprint(settings.store_url)
        self.archive = Archive(open_store(settings.store_url, settings.storage_options or None))

    def entries(self) -> list[Entry]:
        """Return every recording, newest first; one that is not shipped yet as its spool knows it.

        The spools are looked at first: what is shipped meanwhile is in the journal then.
        """
        found: dict[str, Entry] = {}
        for folder in spool.folders(self._spool_root):
            session = spool.read_json(folder / spool.SESSION) or {}
            if (session.get("store") or {}).get("fingerprint") != self._fingerprint:
                continue
            try:
                recording = assemble(folder)
            except ProfilerKitError as error:
                if folder.exists():
                    log.warning("%s", error)
                continue
            found[recording.id] = Entry(recording, spool=folder)
        for event in self.archive.recordings():
            if event.kind is EventKind.FINAL or event.recording.id not in found:
                found[event.recording.id] = Entry(_as_seen_now(event.recording), event=event)
        return sorted(found.values(), key=lambda each: each.recording.id, reverse=True)

    def find(self, reference: str) -> Entry:
        """Return the recording of an id, a unique prefix of one, or `latest`.

        Raises NotFoundError when there is none, UsageError when a prefix fits several.
        """
        entries = self.entries()
        if reference == "latest":
            if not entries:
                raise NotFoundError("There is no recording yet.", "Record one: profilerkit run script.py")
            return entries[0]
        wanted = reference.lower()
        fitting = [each for each in entries if wanted and each.recording.id.startswith(wanted)]
        if not fitting:
            raise NotFoundError(
                f"There is no recording {reference!r} here.", "See which there are: profilerkit list"
            )
        if len(fitting) > 1:
            some = ", ".join(each.recording.id for each in fitting[:3])
            raise UsageError(
                f"{reference!r} fits {len(fitting)} recordings ({some}, …).", "Give more of the id."
            )
        return fitting[0]

    def shelf(self, entry: Entry) -> Shelf:
        """Return where the files of a recording are."""
        if entry.spool is not None:
            return SpoolShelf(entry.spool, entry.recording, self)
        assert entry.event is not None
        shelf = StoreShelf(self.archive, entry.event)
        shelf.recording = _as_seen_now(shelf.recording)
        return shelf


class SpoolShelf:
    """The files of a recording that is not shipped yet; nothing is kept there."""

    def __init__(self, folder: Path, recording: Recording, library: Library) -> None:
        self._folder = folder
        self._library = library
        self.recording = recording

    def fetch_raw(self, capture: Capture, folder: Path) -> Path:
        """Copy the raw files as they are now: the profiler may still be writing."""
        source = spool.capture_folder(self._folder, capture.profiler)
        for path, _ in spool.capture_files(source):
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path, target)
        if self._folder.exists():
            return folder
        # It was shipped while we copied: the store has it whole.
        shipped = self._library.shelf(self._library.find(self.recording.id))
        self.recording = shipped.recording
        whole = folder / "shipped"
        whole.mkdir()
        return shipped.fetch_raw(shipped.recording.capture(capture.profiler) or capture, whole)

    def get_reading(self, capture: Capture) -> Reading | None:
        """Return none: it changes."""
        return None

    def put_reading(self, capture: Capture, reading: Reading) -> None:
        """Keep nothing."""

    def get_report(self, capture: Capture, options_hash: str, filename: str, target: Path) -> bool:
        """Say that there is none."""
        return False

    def put_report(self, capture: Capture, options_hash: str, filename: str, source: Path) -> None:
        """Keep nothing."""


def _as_seen_now(recording: Recording) -> Recording:
    """Return the recording with the status that its silence or its word gives it now."""
    status, outcome, evidence = effective_status(recording, datetime.now(timezone.utc))
    if status is recording.status:
        return recording
    more = (evidence,) if evidence is not None else ()
    return attrs.evolve(recording, status=status, outcome=outcome, evidence=(*recording.evidence, *more))
