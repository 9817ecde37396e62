"""Make readings and reports of recordings on request, and keep them; nothing here records.

Where a recording's files are is a `Shelf`'s business: in a store (`StoreShelf`), or wherever a host
has them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import attrs

from profilerkit import plugins
from profilerkit._version import __version__
from profilerkit.archive import Archive
from profilerkit.codec import recording_to_json
from profilerkit.errors import CaptureError, NotFoundError, ProfilerKitError, UnavailableError, UsageError
from profilerkit.interfaces import ReportRenderer
from profilerkit.limits import Limits, run_job
from profilerkit.model import Capture, Event, Recording
from profilerkit.options import parse_options
from profilerkit.reading import Reading
from profilerkit.readingjson import reading_to_json
from profilerkit.readings import make_reading, may_keep, reading_name

MOST_RAW_BYTES = 8 << 30
"""A capture that unpacks to more is not fetched: its declared size may be a lie."""
LEFT_FREE_BYTES = 256 << 20

log = logging.getLogger("profilerkit.render")


class Shelf(Protocol):
    """Where the files of one recording are."""

    recording: Recording

    def fetch_raw(self, capture: Capture, folder: Path) -> Path:
        """Return a folder with the raw files of a capture; `folder` is there to put them."""

    def get_reading(self, capture: Capture) -> Reading | None:
        """Return the kept reading, None when there is none."""

    def put_reading(self, capture: Capture, reading: Reading) -> None:
        """Keep a reading."""

    def get_report(self, capture: Capture, options_hash: str, filename: str, target: Path) -> bool:
        """Copy the kept report to `target`; tell whether there was one."""

    def put_report(self, capture: Capture, options_hash: str, filename: str, source: Path) -> None:
        """Keep a report."""


class StoreShelf:
    """The files of a recording in a store."""

    def __init__(self, archive: Archive, event: Event) -> None:
        self._archive = archive
        self._event = event
        self.recording = archive.load(event)

    def fetch_raw(self, capture: Capture, folder: Path) -> Path:
        """Download and unpack the raw files, no more than the disk can take."""
        limit = min(MOST_RAW_BYTES, shutil.disk_usage(folder).free - LEFT_FREE_BYTES)
        self._archive.fetch_raw(self._event.key, capture, folder, limit_bytes=max(0, limit))
        return folder

    def get_reading(self, capture: Capture) -> Reading | None:
        """Return the reading kept beside the capture, if it can be read."""
        name = reading_name(capture, self.recording.revision)
        try:
            return self._archive.get_reading(self._event.key, capture.profiler, name)
        except NotFoundError:
            return None
        except ProfilerKitError as error:
            log.warning("A kept reading is made again: %s", error)
            return None

    def put_reading(self, capture: Capture, reading: Reading) -> None:
        """Keep a reading beside the capture."""
        name = reading_name(capture, self.recording.revision)
        self._archive.put_reading(self._event.key, capture.profiler, name, reading)

    def get_report(self, capture: Capture, options_hash: str, filename: str, target: Path) -> bool:
        """Copy a kept report."""
        try:
            with (
                self._archive.open_report(
                    self._event.key, capture.profiler, self._place(options_hash), filename
                ) as kept,
                target.open("wb") as copy,
            ):
                shutil.copyfileobj(kept, copy)
        except NotFoundError:
            return False
        return True

    def put_report(self, capture: Capture, options_hash: str, filename: str, source: Path) -> None:
        """Keep a report beside the capture."""
        self._archive.put_report(
            self._event.key, capture.profiler, self._place(options_hash), filename, source
        )

    def _place(self, options_hash: str) -> str:
        return f"{self.recording.revision}-{__version__}-{options_hash}"


@attrs.frozen
class ReportInfo:
    """A report that can be had of a recording."""

    name: str
    title: str
    filename: str
    profiler: str
    renderer: str
    """The renderer's entry point name."""


def get_reading(shelf: Shelf, capture: Capture) -> Reading:
    """Return a capture's reading: the kept one, else made now in a limited subprocess, and kept.

    Raises CaptureError when the capture cannot be read.
    """
    kept = shelf.get_reading(capture)
    if kept is not None:
        return kept
    with tempfile.TemporaryDirectory(prefix="profilerkit-") as scratch:
        folder = Path(scratch, "raw")
        work = Path(scratch, "work")
        folder.mkdir()
        work.mkdir()
        raw = shelf.fetch_raw(capture, folder)
        reading = make_reading(shelf.recording, capture, raw, work)
    try:
        if may_keep(shelf.recording, capture):
            shelf.put_reading(capture, reading)
    except ProfilerKitError as error:  # a store that may only be read
        log.info("A reading could not be kept: %s", error)
    return reading


def list_reports(shelf: Shelf) -> list[ReportInfo]:
    """Return the reports that the installed renderers can make of a recording, by profiler and name."""
    found = []
    renderers = _renderers()
    for capture in shelf.recording.captures:
        known = _with_contents(shelf, capture)
        if known is None:
            continue
        for name, renderer in renderers.items():
            with suppress(Exception):  # a renderer that cannot even say so does not accept
                if renderer.accepts(known):
                    report = name if "." in name else f"{known.profiler}.{name}"
                    found.append(ReportInfo(report, renderer.title, renderer.filename, known.profiler, name))
    return sorted(found, key=lambda each: (each.profiler, each.name))


def _renderers() -> dict[str, ReportRenderer]:
    """Return all renderers that can be loaded, with their default options."""
    found = {}
    for name in plugins.names(plugins.RENDERERS):
        try:
            found[name] = plugins.load(plugins.RENDERERS, name)()
        except (UnavailableError, UsageError) as error:
            log.warning("%s", error)
    return found


def _with_contents(shelf: Shelf, capture: Capture) -> Capture | None:
    """Return the capture with its contents known, None when nothing of it can be read."""
    if not capture.files:
        return None
    if capture.contents is not None:
        return capture
    try:
        return attrs.evolve(capture, contents=get_reading(shelf, capture).contents)
    except ProfilerKitError as error:
        log.warning("%s: %s", capture.profiler, error)
        return attrs.evolve(capture, contents=())


def make_report(
    shelf: Shelf,
    name: str,
    target: Path,
    *,
    options: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> ReportInfo:
    """Write a report to `target`: the kept one, else rendered now in a limited subprocess, and kept.

    `options` are the renderer's. Raises UsageError for a report or an option that cannot be had,
    CaptureError when it cannot be rendered.
    """
    offered = list_reports(shelf)
    info = next((each for each in offered if each.name == name), None)
    if info is None:
        has = ", ".join(each.name for each in offered) or "none"
        raise UsageError(f"There is no report {name!r} of this recording (there are: {has}).")
    capture = shelf.recording.capture(info.profiler)
    assert capture is not None
    parsed = parse_options(name, plugins.load(plugins.RENDERERS, info.renderer), options or {})
    settled = json.dumps([info.renderer, parsed], sort_keys=True)
    options_hash = hashlib.sha256(settled.encode()).hexdigest()[:12]
    if not shelf.get_report(capture, options_hash, info.filename, target):
        _render(shelf, capture, info, parsed, target, limits)
        try:
            if may_keep(shelf.recording, capture) or shelf.get_reading(capture) is not None:
                shelf.put_report(capture, options_hash, info.filename, target)
        except ProfilerKitError as error:  # a store that may only be read
            log.info("A report could not be kept: %s", error)
    return info


def _render(
    shelf: Shelf,
    capture: Capture,
    info: ReportInfo,
    options: Mapping[str, Any],
    target: Path,
    limits: Limits | None,
) -> None:
    reading = get_reading(shelf, capture)
    with tempfile.TemporaryDirectory(prefix="profilerkit-") as scratch:
        folder = Path(scratch, "raw")
        folder.mkdir()
        kept = Path(scratch, "reading.json")
        with kept.open("w", encoding="utf-8", errors="surrogatepass") as file:
            json.dump(reading_to_json(reading), file)
        raw = shelf.fetch_raw(capture, folder)
        made = Path(scratch, "report")
        run_job(
            {
                "do": "render",
                "entry": plugins.entry(plugins.RENDERERS, info.renderer),
                "options": dict(options),
                "recording": recording_to_json(shelf.recording).decode(),
                "profiler": capture.profiler,
                "folder": str(raw),
                "reading": str(kept),
                "target": str(made),
            },
            limits,
        )
        if not made.is_file():
            raise CaptureError(f"The renderer of {info.name} wrote nothing.")
        shutil.move(str(made), str(target))
