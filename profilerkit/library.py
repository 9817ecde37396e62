"""See the recordings of a store and those that still lie in this host's spool as one list."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from profilerkit import spool
from profilerkit.archive import Archive
from profilerkit.assemble import assemble
from profilerkit.catalog.query import Query
from profilerkit.catalog.values import as_shown
from profilerkit.errors import NotFoundError, ProfilerKitError, UsageError
from profilerkit.model import Capture, Event, EventKind, Recording
from profilerkit.settings import Settings
from profilerkit.stores import open_store
from profilerkit.storeurl import store_fingerprint

if TYPE_CHECKING:
    from profilerkit.catalog.catalog import Catalog
    from profilerkit.reading import Reading
    from profilerkit.render import Shelf

log = logging.getLogger("profilerkit.library")

LATEST = re.compile(r"latest(?:~([0-9]{1,6}))?")


@attrs.frozen
class Entry:
    """One recording, and where it is."""

    recording: Recording
    event: Event | None = None
    spool: Path | None = None


@attrs.frozen
class Listing:
    """Part of the recordings, newest first."""

    entries: list[Entry]
    fitting: int
    """How many there are that are wanted."""
    there: int
    """How many there are at all."""


class Library:
    """All recordings that a command can speak of."""

    def __init__(self, settings: Settings) -> None:
        self._spool_root = settings.spool_folder
        self._fingerprint = store_fingerprint(settings.store_url)
        self.archive = Archive(open_store(settings.store_url, settings.storage_options or None))
        self._catalog_folder = settings.catalog_folder
        self._catalog: Catalog | None = None

    def entries(self) -> list[Entry]:
        """Return every recording, newest first."""
        return self.select(Query()).entries

    def select(self, query: Query, limit: int | None = None) -> Listing:
        """Return the newest recordings that are wanted; one that is not shipped as its spool knows it.

        The spools are looked at first: what is shipped meanwhile is in the journal then.
        """
        spools = self._spools()
        rows = self._rows()
        for each in rows.finals(spools):
            del spools[each]
        stored = attrs.evolve(query, without=(*query.without, *spools))
        local = [each for each in spools.values() if query.fits(each.recording)]
        entries = [*local, *(_stored(event) for event in rows.select(stored, limit=limit))]
        entries.sort(key=lambda each: each.recording.id, reverse=True)
        fitting = len(local) + rows.count(stored)
        everything = query == Query()
        there = fitting if everything else len(spools) + rows.count(Query(without=tuple(spools)))
        return Listing(entries[:limit], fitting, there)

    def ids(self) -> list[str]:
        """Return the ids of all recordings, newest first."""
        return sorted({*self._spools(), *self._rows().ids()}, reverse=True)

    def find(self, reference: str) -> Entry:
        """Return the recording of an id, a unique prefix of one, `latest`, or `latest~N`: the one N before.

        Raises NotFoundError when there is none, UsageError when a prefix fits several.
        """
        latest = LATEST.fullmatch(reference)
        if latest is not None:
            before = int(latest[1] or 0)
            found = self.select(Query(), before + 1)
            if not found.entries:
                raise NotFoundError("There is no recording yet.", "Record one: profilerkit run script.py")
            if len(found.entries) <= before:
                raise NotFoundError(
                    f"There is no {reference} here (recordings in all: {len(found.entries)}).",
                    "See them: profilerkit list",
                )
            return found.entries[before]
        wanted = reference.lower()
        found = self.select(Query(id_prefix=wanted), 3) if wanted else Listing([], 0, 0)
        if not found.entries:
            raise NotFoundError(
                f"There is no recording {reference!r} here.", "See which there are: profilerkit list"
            )
        if found.fitting > 1:
            some = ", ".join(each.recording.id for each in found.entries)
            raise UsageError(
                f"{reference!r} fits {found.fitting} recordings ({some}, …).", "Give more of the id."
            )
        return found.entries[0]

    def _spools(self) -> dict[str, Entry]:
        """Return the recordings in this host's spools that belong to this store."""
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
        return found

    def _rows(self) -> Catalog | JournalRows:
        """Return what is in the store, as it is now."""
        try:
            if self._catalog is None:
                from profilerkit.catalog.catalog import Catalog  # not every Python has SQLite

                self._catalog = Catalog.at(self._catalog_folder, self.archive, self._fingerprint)
            self._catalog.sync()
        except ProfilerKitError:
            raise
        except Exception as error:  # noqa: BLE001 - without a catalog it is only slower
            log.info("The journal is read instead of the catalog: %r.", error)
            return JournalRows(self.archive.recordings())
        return self._catalog

    def shelf(self, entry: Entry) -> Shelf:
        """Return where the files of a recording are."""
        if entry.spool is not None:
            return SpoolShelf(entry.spool, entry.recording, self)
        from profilerkit.render import StoreShelf  # what makes reports is not imported to list

        assert entry.event is not None
        shelf = StoreShelf(self.archive, entry.event)
        shelf.recording = as_shown(attrs.evolve(entry.event, recording=shelf.recording))
        return shelf


@attrs.frozen
class JournalRows:
    """Answer what a catalog answers, out of the events that count."""

    events: list[Event]

    def select(self, query: Query, *, limit: int | None) -> list[Event]:
        """Return the events of the newest recordings that are wanted."""
        return self._wanted(query)[:limit]

    def count(self, query: Query) -> int:
        """Return how many recordings are wanted."""
        return len(self._wanted(query))

    def ids(self) -> list[str]:
        """Return the ids of all recordings."""
        return [each.recording.id for each in self.events]

    def finals(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids whose recordings have ended."""
        ended = {each.recording.id for each in self.events if each.kind is EventKind.FINAL}
        return ended.intersection(ids)

    def _wanted(self, query: Query) -> list[Event]:
        return [each for each in self.events if query.fits(as_shown(each))]


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


def _stored(event: Event) -> Entry:
    return Entry(as_shown(event), event=event)
