"""`profilerkit import`: take a recording that somebody has exported into the store."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from profilerkit.cli.shared import common
from profilerkit.settings import Settings


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@common
def command(file: Path, settings: Settings, quiet: bool, verbose: bool) -> None:
    """Put a recording that `profilerkit export` wrote into the store, under the id that it has.

    A file that is damaged or was made to do harm is refused, and leaves nothing in the store.
    """
    from profilerkit.archive import Archive
    from profilerkit.cli.progress import working
    from profilerkit.stacks import printable
    from profilerkit.stores import open_store
    from profilerkit.unbundle import import_bundle

    archive = Archive(open_store(settings.store_url, settings.storage_options or None))
    with working("Importing", quiet=quiet):
        recording, is_new = import_bundle(file, archive)
    words = f"{recording.id} ({printable(str(recording.subject))}, {recording.status.value})"
    click.echo(f"Imported {words}." if is_new else f"The store has {words} already.")
