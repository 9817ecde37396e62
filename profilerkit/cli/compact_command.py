"""`profilerkit compact`: gather the journal's small files by day, so that lists are read faster."""

from __future__ import annotations

import json

import rich_click as click

from profilerkit.cli.shared import common, json_option
from profilerkit.settings import Settings


@click.command()
@json_option
@common
def command(as_json: bool, settings: Settings, quiet: bool, verbose: bool) -> None:
    """Gather the journal's events of days older than a week into one file a day.

    Uploads do the same once a day. No recording is deleted, and none is listed otherwise.
    """
    from profilerkit.archive import Archive
    from profilerkit.cli.progress import working
    from profilerkit.compaction import compact
    from profilerkit.stores import open_store

    archive = Archive(open_store(settings.store_url, settings.storage_options or None))
    with working("Compacting", quiet=quiet):
        done = compact(archive)
    if as_json:
        answer = {"days": done.days, "copied": done.copied, "dropped": done.dropped, "files": done.files}
        click.echo(json.dumps(answer, indent=2))
    elif done.days:
        click.echo(
            f"Compacted {done.days} {'day' if done.days == 1 else 'days'}: {done.copied} events moved, "
            f"{done.dropped} that count no more dropped."
        )
    else:
        click.echo("There is nothing to compact: no day that is over a week old has loose events.")
