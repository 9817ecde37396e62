"""`profilerkit plugins`: what is installed, and whether it can be used here."""

from __future__ import annotations

import json

import rich_click as click

from profilerkit.cli.shared import common, json_option
from profilerkit.settings import Settings


@click.command()
@json_option
@common
def command(as_json: bool, settings: Settings, quiet: bool, verbose: bool) -> None:
    """List profilers, renderers, stores, commands and pages: usable, or why not and what mends it."""
    import attrs

    from profilerkit import plugins
    from profilerkit.cli.progress import working

    with working("Looking at the plugins", quiet=quiet):
        found = [each for group in plugins.GROUPS for each in plugins.describe(group)]
    if as_json:
        rows = [{**attrs.asdict(each), "group": each.group.partition(".")[2]} for each in found]
        click.echo(json.dumps(rows, indent=2))
        return
    from profilerkit.cli.tables import console, plain_table, text

    out = console()
    for group in plugins.GROUPS:
        rows_of_group = [each for each in found if each.group == group]
        if not rows_of_group:
            continue
        out.print(text(group.partition(".")[2], "bold"))
        table = plain_table(("NAME", "left"), ("USABLE", "left"), ("WHAT", "left"), ("FROM", "left"))
        for each in rows_of_group:
            origin = f"{each.distribution} {each.version}" if each.distribution else "?"
            usable = text("yes", "green") if each.usable else text("no", "red")
            table.add_row(text(each.name, "cyan"), usable, text(each.title or ""), text(origin, "dim"))
        table.columns[0].min_width = max(len(each.name) for each in rows_of_group)
        out.print(table)
        for each in rows_of_group:
            if each.problem is not None:
                out.print(text(f"{each.name}: {each.problem}", "yellow"), soft_wrap=True)
        out.print()
