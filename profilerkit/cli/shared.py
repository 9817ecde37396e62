"""Hold what several commands share: their common options and what those stand for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from profilerkit.errors import UnavailableError, UsageError
from profilerkit.settings import Settings, load_settings

if TYPE_CHECKING:
    from profilerkit.library import Library

F = TypeVar("F", bound=Callable[..., Any])
Complete = Callable[[click.Context, click.Parameter, str], "list[str]"]


def common(function: F) -> F:
    """Give a command the options that every command has, as `settings`, `quiet` and `verbose`."""

    @click.option(
        "--store",
        metavar="URL",
        envvar="PROFILERKIT_STORE",
        help="Where recordings live: a folder or any fsspec URL.",
    )
    @click.option(
        "-q", "--quiet", is_flag=True, envvar="PROFILERKIT_QUIET", help="Say nothing but results and errors."
    )
    @click.option("-v", "--verbose", is_flag=True, envvar="PROFILERKIT_VERBOSE", help="Say more.")
    @functools.wraps(function)
    def wrapped(*args: Any, store: str | None, quiet: bool, verbose: bool, **keywords: Any) -> Any:
        from profilerkit.cli.app import set_up_logging

        set_up_logging(verbose, quiet)
        settings: Settings = load_settings({"store": store, **keywords.pop("given", {})})
        return function(*args, settings=settings, quiet=quiet, verbose=verbose, **keywords)

    return wrapped  # type: ignore[return-value]


def completes(function: Callable[[click.Context], Iterable[str]]) -> Complete:
    """Make what a shell asks for out of all words that are possible; it stays silent when it fails."""

    @functools.wraps(function)
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        try:
            return [each for each in function(ctx) if each.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - nobody wants an error while typing
            return []

    return complete


def _library(ctx: click.Context) -> Library:
    from profilerkit.library import Library

    return Library(load_settings({"store": ctx.params.get("store")}))


@completes
def complete_recording(ctx: click.Context) -> Iterable[str]:
    """Give the ids of the recordings."""
    return [*_library(ctx).ids(), "latest"]


@completes
def complete_report(ctx: click.Context) -> Iterable[str]:
    """Give the reports of the recording that was typed."""
    from profilerkit.render import list_reports

    library = _library(ctx)
    return [each.name for each in list_reports(library.shelf(library.find(ctx.params["recording"])))]


@completes
def complete_profiler(_ctx: click.Context) -> Iterable[str]:
    """Give the profilers that are installed."""
    from profilerkit import plugins

    return plugins.names(plugins.PROFILERS)


@completes
def complete_option(_ctx: click.Context) -> Iterable[str]:
    """Give the options of the profilers that are installed."""
    from profilerkit import plugins
    from profilerkit.options import option_fields

    for name in plugins.names(plugins.PROFILERS):
        with contextlib.suppress(UnavailableError):
            yield from (f"{name}.{each}=" for each in option_fields(plugins.load(plugins.PROFILERS, name)))


recording_argument = click.argument("recording", metavar="RECORDING", shell_complete=complete_recording)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; its schema is in the reference."
)


def parse_label(text: str) -> tuple[str, str]:
    """Return the two parts of `KEY=VALUE`; raise UsageError when it is none."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--label {text!r} is not of the form KEY=VALUE.", "Write --label team=data.")
    return key, value
