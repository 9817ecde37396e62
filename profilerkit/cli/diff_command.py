"""`profilerkit diff`: what differs between two recordings, above all which functions grew."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import rich_click as click

from profilerkit.cli.shared import common, complete_recording, completes, json_option
from profilerkit.settings import Settings, load_settings

if TYPE_CHECKING:
    from profilerkit.comparison import Side
    from profilerkit.library import Entry, Library


@completes
def _complete_profiler(ctx: click.Context) -> Iterable[str]:
    """Give the profilers that recorded what was typed, which click leaves in `args` before this option."""
    from profilerkit import plugins
    from profilerkit.library import Library

    typed = [each for each in (ctx.params.get("a"), ctx.params.get("b"), *ctx.args) if each][:2]
    if not typed:
        return plugins.names(plugins.PROFILERS)
    library = Library(load_settings({"store": ctx.params.get("store")}))
    recorded = [{each.profiler for each in library.find(name).recording.captures} for name in typed]
    return sorted(set.intersection(*recorded))


@click.command()
@click.argument("a", metavar="A", shell_complete=complete_recording)
@click.argument("b", metavar="B", shell_complete=complete_recording)
@click.option(
    "-p",
    "--profiler",
    metavar="NAME",
    shell_complete=_complete_profiler,
    help="Compare what this profiler recorded, all its metrics.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most so many rows a table.  [default: 10 that matter; with --json all]",
)
@json_option
@common
def command(
    a: str,
    b: str,
    profiler: str | None,
    limit: int | None,
    as_json: bool,
    settings: Settings,
    quiet: bool,
    verbose: bool,
) -> None:
    """Compare two recordings: how they ran, their figures, and which functions grew or shrank from A to B.

    A and B are each an id, the beginning of one, `latest`, or `latest~1` for the one before it. Numbers
    are absolute, line numbers do not count, and the same code in another folder is the same code.
    """
    from profilerkit.cli.progress import working
    from profilerkit.comparison import compare
    from profilerkit.library import Library

    library = Library(settings)
    with working("Reading the recordings", quiet=quiet):
        entries = library.find(a), library.find(b)
        sides = [_side(library, each, profiler) for each in entries]
        # Tables are cut as they are printed: what they leave out is summed up from the rest.
        found = compare(*sides, profiler=profiler, limit=limit if as_json else None)
    if as_json:
        from profilerkit.comparison_views import diff_json

        click.echo(json.dumps(diff_json(found), indent=2))
        return
    from profilerkit.cli.comparison_story import tell

    tell(found, limit=limit, thorough=verbose or profiler is not None)


def _side(library: Library, entry: Entry, profiler: str | None) -> Side:
    """Read a recording; of one profiler only, when it is named: a large capture takes its time."""
    from profilerkit.comparison import side

    return side(library.shelf(entry), profiler)
