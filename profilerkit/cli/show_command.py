"""`profilerkit show`: what happened, where the memory and the time went."""

from __future__ import annotations

import json

import rich_click as click

from profilerkit.cli.shared import common, json_option, recording_argument
from profilerkit.errors import ProfilerKitError
from profilerkit.model import Recording, Status
from profilerkit.reading import Reading
from profilerkit.render import Shelf, get_reading
from profilerkit.settings import Settings


@click.command()
@recording_argument
@json_option
@common
def command(recording: str, as_json: bool, settings: Settings, quiet: bool, verbose: bool) -> None:
    """Show what happened in a recording: its end, its peaks, the hottest lines of your own code.

    RECORDING is an id, the beginning of one, or `latest`.
    """
    from profilerkit.cli.library import Library
    from profilerkit.cli.progress import working

    library = Library(settings)
    with working("Reading the recording", quiet=quiet):
        shelf = library.shelf(library.find(recording))
        readings, errors = read_all(shelf)
    found = _with_peaks(shelf.recording, readings)
    if as_json:
        from profilerkit.cli.views import show_json

        click.echo(json.dumps(show_json(found, readings, errors), indent=2))
        return
    from profilerkit.cli.story import tell

    tell(found, readings, errors, verbose=verbose)


def read_all(shelf: Shelf) -> tuple[dict[str, Reading], dict[str, str]]:
    """Return the readings of all captures that can be read, and why the others cannot."""
    readings: dict[str, Reading] = {}
    errors: dict[str, str] = {}
    for capture in shelf.recording.captures:
        if capture.status in (Status.SKIPPED, Status.FAILED) or not capture.files:
            continue
        try:
            readings[capture.profiler] = get_reading(shelf, capture)
        except ProfilerKitError as error:
            errors[capture.profiler] = str(error)
    return readings, errors


def _with_peaks(recording: Recording, readings: dict[str, Reading]) -> Recording:
    """Return the recording with the summary that its readings give, also when none was stored yet."""
    import attrs

    from profilerkit.readings import merged_summary

    return attrs.evolve(recording, summary=merged_summary(dict(recording.summary), readings))
