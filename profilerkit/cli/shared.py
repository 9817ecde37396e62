"""Hold what several commands share: their common options and what those stand for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

from profilerkit.errors import UsageError
from profilerkit.settings import Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])


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


def complete_recording(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids that a shell may complete."""
    try:
        from profilerkit.cli.library import Library

        ids = [entry.recording.id for entry in Library(load_settings()).entries()]
    except Exception:  # noqa: BLE001 - completion stays silent
        return []
    return [each for each in [*ids, "latest"] if each.startswith(incomplete)]


def complete_profiler(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the profilers that a shell may complete."""
    from profilerkit import plugins

    return [each for each in plugins.names(plugins.PROFILERS) if each.startswith(incomplete)]


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
