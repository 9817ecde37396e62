"""`profilerkit prune`: delete the recordings that have had their time, and what nobody refers to."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import rich_click as click

from profilerkit.cli.shared import common, json_option
from profilerkit.errors import UsageError
from profilerkit.settings import Settings

if TYPE_CHECKING:
    from profilerkit.archive import Archive
    from profilerkit.retention import Doomed, Plan

UNITS = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
"""No minutes: they would be taken for months."""


def parse_age(text: str) -> float:
    """Return seconds from words such as `30d`; raise BadParameter for what is none."""
    found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([hdw])\s*", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no age such as 30d, 12h or 2w.")
    return float(found[1]) * UNITS[found[2]]


@click.command()
@click.option(
    "--older-than", type=parse_age, metavar="AGE", help="Those that ended so long ago: 30d, 12h, 2w."
)
@click.option(
    "--keep-last", type=click.IntRange(min=1), metavar="N", help="All but the last N of each subject."
)
@click.option("-n", "--dry-run", is_flag=True, help="Only list what would go.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@common
def command(
    older_than: float | None,
    keep_last: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    settings: Settings,
    quiet: bool,
    verbose: bool,
) -> None:
    """Delete old recordings from the store, and files that no recording refers to.

    With both options only what is older and not among the last goes. What still runs stays.
    """
    if older_than is None and keep_last is None:
        raise UsageError("Say which recordings may go:", "--older-than 30d, --keep-last 10, or both.")
    from profilerkit.archive import Archive
    from profilerkit.cli.progress import working
    from profilerkit.retention import Rules, plan
    from profilerkit.stores import open_store

    archive = Archive(open_store(settings.store_url, settings.storage_options or None))
    with working("Reading the store", quiet=quiet):
        doomed = plan(archive, Rules(older_than, older_than, keep_last))
    asks = bool(list(doomed)) and not (yes or dry_run) and sys.stdin is not None and sys.stdin.isatty()
    if not as_json and (asks or dry_run or verbose):
        _list(doomed)
    if asks and not click.confirm(f"Delete {_counted(doomed)} for good?", err=True):
        return
    if dry_run:
        _tell(doomed, "Would delete", as_json=as_json)
    else:
        _prune(archive, doomed, as_json=as_json, quiet=quiet)


def _prune(archive: Archive, doomed: Plan, *, as_json: bool, quiet: bool) -> None:
    """Delete what is planned and tell what is gone, also when the store failed before the end."""
    from profilerkit.cli.progress import working
    from profilerkit.retention import prune

    gone: list[Doomed] = []
    try:
        with working("Deleting", quiet=quiet):
            gone.extend(prune(archive, doomed))
    finally:
        _tell(gone, "Deleted", as_json=as_json)


def _list(doomed: Plan) -> None:
    """Print the recordings that are to go, one a line."""
    from profilerkit.cli.tables import console, local_time, plain_table, text
    from profilerkit.stacks.units import format_value

    if not doomed.recordings:
        return
    table = plain_table(("id", "left"), ("subject", "left"), ("started", "left"), ("size", "right"))
    for each in doomed.recordings:
        assert each.event is not None
        found = each.event.recording
        size = format_value(each.size_bytes, "bytes")
        table.add_row(text(found.id), text(found.subject), text(local_time(found.started_at)), text(size))
    console().print(table)


def _tell(found: Iterable[Doomed], done: str, *, as_json: bool) -> None:
    found = list(found)
    if as_json:
        click.echo(json.dumps(_as_json(found, dry_run=done != "Deleted"), indent=2))
    elif found:
        click.echo(f"{done} {_counted(found)}.")
    else:
        click.echo("There is nothing to delete." if done != "Deleted" else "Nothing was deleted.")


def _counted(found: Iterable[Doomed]) -> str:
    """Return in words how much this is."""
    from profilerkit.stacks.units import format_value

    found = list(found)
    recordings = sum(each.event is not None for each in found)
    others = len(found) - recordings
    words = [f"{recordings} {'recording' if recordings == 1 else 'recordings'}"]
    if others:
        words.append(f"{others} {'thing' if others == 1 else 'things'} that nobody refers to")
    return f"{' and '.join(words)} ({format_value(sum(each.size_bytes for each in found), 'bytes')})"


def _as_json(found: Iterable[Doomed], *, dry_run: bool) -> dict[str, Any]:
    from profilerkit.views import list_json

    found = list(found)
    return {
        "dry_run": dry_run,
        "recordings": [
            {**list_json(each.event.recording), "size_bytes": each.size_bytes}
            for each in found
            if each.event is not None
        ],
        "others": [{"key": each.key, "size_bytes": each.size_bytes} for each in found if each.event is None],
        "size_bytes": sum(each.size_bytes for each in found),
    }
