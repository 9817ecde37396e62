"""`profilerkit report`: which reports there are, and one of them."""

from __future__ import annotations

import mimetypes
import shutil
import sys
import tempfile
from pathlib import Path

import rich_click as click

from profilerkit.cli.shared import common, complete_report, recording_argument
from profilerkit.errors import ProfilerKitError, UsageError
from profilerkit.outfile import replacing
from profilerkit.render import ReportInfo, Shelf, list_reports, make_report
from profilerkit.settings import Settings

TEXT_TYPES = ("text/plain", "text/csv", "application/json", "text/html")


@click.command()
@recording_argument
@click.argument("report", required=False, shell_complete=complete_report)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it to this file."
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the report, such as limit=100.",
)
@click.option("--open", "open_it", is_flag=True, help="Open it with the program that this system has for it.")
@common
def command(
    recording: str,
    report: str | None,
    output: Path | None,
    options: tuple[str, ...],
    open_it: bool,
    settings: Settings,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make a report of a recording; without REPORT, list which there are.

    Text goes to the standard output; what is no text needs -o FILE or --open.
    """
    from profilerkit.cli.progress import working
    from profilerkit.library import Library

    library = Library(settings)
    shelf = library.shelf(library.find(recording))
    if report is None:
        _list(shelf, quiet)
        return
    with tempfile.TemporaryDirectory(prefix="profilerkit-") as scratch:
        made = Path(scratch, "report")
        with working(f"Rendering {report}", quiet=quiet):
            info = make_report(shelf, report, made, options=dict(_option(each) for each in options))
        _deliver(info, made, shelf, output, open_it, quiet)


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--option {text!r} is not of the form NAME=VALUE.", "Write --option limit=100.")
    return name, value


def _list(shelf: Shelf, quiet: bool) -> None:
    from profilerkit.cli.progress import working
    from profilerkit.cli.tables import console, plain_table, text

    with working("Looking at the captures", quiet=quiet):
        reports = list_reports(shelf)
    if not reports:
        raise ProfilerKitError(
            "No report can be made of this recording.", "See why: profilerkit show " + shelf.recording.id
        )
    table = plain_table(("REPORT", "left"), ("WHAT", "left"), ("FILE", "left"))
    for each in reports:
        table.add_row(text(each.name, "cyan"), text(each.title), text(each.filename, "dim"))
    out = console()
    out.print(table)
    if out.is_terminal:
        out.print(text(f"Make one: profilerkit report {shelf.recording.id} {reports[0].name}", "dim"))


def _deliver(
    info: ReportInfo, made: Path, shelf: Shelf, output: Path | None, open_it: bool, quiet: bool
) -> None:
    from profilerkit.cli.app import say

    if output is None and not open_it:
        _print(info, made)
        return
    target = output if output is not None else Path(tempfile.mkdtemp(prefix="profilerkit-")) / info.filename
    if target.is_dir():
        target = target / f"{shelf.recording.id}-{info.profiler}-{info.filename}"
    with made.open("rb") as source, replacing(target, private=False) as stream:
        shutil.copyfileobj(source, stream)
    if not quiet:
        say(f"wrote {target}")
    if open_it:
        click.launch(str(target))


def _print(info: ReportInfo, made: Path) -> None:
    kind = mimetypes.guess_type(info.filename)[0] or "application/octet-stream"
    data = made.read_bytes()
    is_text = kind in TEXT_TYPES or kind.startswith("text/")
    if sys.stdout.isatty() and (not is_text or kind == "text/html" or b"\0" in data):
        raise UsageError(f"{info.name} is {kind}, nothing for a terminal.", "Use -o FILE or --open.")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
