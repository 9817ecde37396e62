"""`profilerkit export`: one recording in one file, for a colleague or a bug report."""

from __future__ import annotations

import contextlib
import gzip
import logging
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import rich_click as click

from profilerkit.cli.shared import common, recording_argument
from profilerkit.errors import NotFoundError, ProfilerKitError
from profilerkit.settings import Settings

if TYPE_CHECKING:
    from profilerkit.bundle import Part
    from profilerkit.library import Entry, Library
    from profilerkit.model import Recording
    from profilerkit.render import Shelf

log = logging.getLogger("profilerkit.cli")


@click.command()
@recording_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="Write it to this file, or into this folder.",
)
@common
def command(recording: str, output: Path, settings: Settings, quiet: bool, verbose: bool) -> None:
    """Write a recording with all its captures into one file; `profilerkit import` takes it.

    RECORDING is an id, the beginning of one, or `latest`.
    """
    from profilerkit.cli.app import say
    from profilerkit.cli.progress import working
    from profilerkit.library import Library

    library = Library(settings)
    entry = library.find(recording)
    target = output / f"{entry.recording.id}.profilerkit.zip" if output.is_dir() else output
    with working("Exporting", quiet=quiet):
        missing = _export(library, entry, target)
        if entry.spool is not None and not entry.spool.exists():
            # It was shipped while we copied: the store has it whole.
            missing = _export(library, library.find(entry.recording.id), target)
    for name in missing:
        log.warning("It is not whole: %s could not be found.", name)
    if not quiet:
        say(f"wrote {target}. Import it elsewhere: profilerkit import {target.name}")


def _export(library: Library, entry: Entry, target: Path) -> list[str]:
    from profilerkit.bundle import as_exported, stored_parts, write_bundle

    shelf = library.shelf(entry)
    found = as_exported(shelf.recording, datetime.now(timezone.utc))
    readings = list(_readings(shelf))
    if entry.spool is not None:
        return write_bundle(found, [*_spooled_parts(entry.spool, found), *readings], target)
    assert entry.event is not None
    parts = list(stored_parts(library.archive, entry.event, found))
    names = {each.name for each in parts}
    return write_bundle(found, [*parts, *(each for each in readings if each.name not in names)], target)


def _readings(shelf: Shelf) -> Iterator[Part]:
    """Yield the readings of captures that no other machine can read."""
    from profilerkit.bundle import reading_part
    from profilerkit.codec import to_json
    from profilerkit.readingjson import reading_to_json
    from profilerkit.readings import reading_name
    from profilerkit.render import get_reading

    for capture in shelf.recording.captures:
        if capture.files and not capture.portable:
            try:
                reading = get_reading(shelf, capture)
            except ProfilerKitError as error:
                log.warning("Nobody elsewhere can read the capture of %s: %s", capture.profiler, error)
                continue
            data = gzip.compress(to_json(reading_to_json(reading)), compresslevel=6, mtime=0)
            yield reading_part(capture.profiler, reading_name(capture, shelf.recording.revision), data)


def _spooled_parts(folder: Path, recording: Recording) -> Iterator[Part]:
    """Yield the raw files of a recording that is not shipped yet, as they are now."""
    from profilerkit import spool
    from profilerkit.bundle import Part, raw_name

    for capture in recording.captures:
        captured = spool.capture_folder(folder, capture.profiler)
        for file in capture.files:
            yield Part(raw_name(capture.profiler, file.path), partial(_compressed, captured / file.path))


@contextlib.contextmanager
def _compressed(path: Path) -> Iterator[BinaryIO]:
    from profilerkit.rawfiles import compress

    with tempfile.TemporaryDirectory(prefix="profilerkit-") as scratch:
        target = Path(scratch, "raw.zst")
        try:
            with path.open("rb") as source:
                compress(source, os.fstat(source.fileno()).st_size, target)
        except FileNotFoundError:
            raise NotFoundError(f"{path} is gone.") from None
        with target.open("rb") as stream:
            yield stream
