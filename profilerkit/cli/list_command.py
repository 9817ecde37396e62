"""`profilerkit list`: which recordings there are."""

from __future__ import annotations

import json
from collections.abc import Sequence

import rich_click as click

from profilerkit.cli.shared import common, json_option, parse_label
from profilerkit.model import Outcome, Recording, Status
from profilerkit.settings import Settings

MOST = 1_000_000_000
STATUSES = ("running", "complete", "partial", "interrupted")


@click.command()
@click.option("--name", metavar="GLOB", help="Only those of which a name fits, such as 'etl*'.")
@click.option("--kind", metavar="K", help="Only subjects of this kind, such as script.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those in this state.")
@click.option(
    "--outcome", type=click.Choice([each.value for each in Outcome]), help="Only those that ended so."
)
@click.option("--label", "labels", multiple=True, metavar="K=V", help="Only those with this label.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=50,
    show_default=True,
    metavar="N",
    help="At most so many.",
)
@json_option
@common
def command(
    name: str | None,
    kind: str | None,
    status: str | None,
    outcome: str | None,
    labels: tuple[str, ...],
    limit: int,
    as_json: bool,
    settings: Settings,
    quiet: bool,
    verbose: bool,
) -> None:
    """List recordings, newest first; running ones of this host too."""
    from profilerkit.catalog.query import Query
    from profilerkit.cli.progress import working
    from profilerkit.library import Library

    query = Query(
        name=name,
        kind=kind,
        status=None if status is None else Status(status),
        outcome=None if outcome is None else Outcome(outcome),
        labels=tuple(parse_label(each) for each in labels),
    )
    with working("Reading the store", quiet=quiet):
        found = Library(settings).select(query, limit)
    recordings = [each.recording for each in found.entries]
    if as_json:
        from profilerkit.views import list_json

        click.echo(json.dumps([list_json(each) for each in recordings], indent=2))
        return
    _print(recordings, found.fitting, found.there, settings)


def _print(found: Sequence[Recording], all_found: int, all_there: int, settings: Settings) -> None:
    from profilerkit.cli.tables import console, recordings_table
    from profilerkit.stacks.names import printable
    from profilerkit.storeurl import store_label

    out = console()
    if not found:
        label = printable(store_label(settings.store_url))
        if all_there:
            out.print(f"None of the {all_there} recordings fits.", markup=False)
        else:
            out.print(
                f"There is no recording in {label} yet. Record one: profilerkit run script.py", markup=False
            )
        return
    out.print(recordings_table(found, out.width))
    if all_found > len(found):
        out.print(
            f"{all_found - len(found)} more; to see them: --limit {all_found}", style="dim", markup=False
        )
