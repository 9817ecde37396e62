"""`profilerkit show`: what happened, where the memory and the time went."""

from __future__ import annotations

import json

import rich_click as click

from profilerkit.cli.shared import common, json_option, recording_argument
from profilerkit.settings import Settings


@click.command()
@recording_argument
@json_option
@common
def command(recording: str, as_json: bool, settings: Settings, quiet: bool, verbose: bool) -> None:
    """Show what happened in a recording: its end, its peaks, the hottest lines of your own code.

    RECORDING is an id, the beginning of one, or `latest`.
    """
    from profilerkit.cli.progress import working
    from profilerkit.contents import read_all, with_peaks
    from profilerkit.library import Library

    library = Library(settings)
    with working("Reading the recording", quiet=quiet):
        shelf = library.shelf(library.find(recording))
        readings, errors = read_all(shelf)
    found = with_peaks(shelf.recording, readings)
    if as_json:
        from profilerkit.views import show_json

        click.echo(json.dumps(show_json(found, readings, errors), indent=2))
        return
    from profilerkit.cli.story import tell

    tell(found, readings, errors, verbose=verbose)
