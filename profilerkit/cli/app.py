"""Put the commands together, find their defaults, and turn errors into one line and an exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
import rich_click

from profilerkit._version import __version__
from profilerkit.errors import ProfilerKitError, UsageError
from profilerkit.settings import COMMANDS, FLAGS, find_pyproject, read_table


class Commands(rich_click.RichGroup):
    """Our commands by module name, then those that plugins add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, ours first."""
        from profilerkit import plugins

        return [*COMMANDS, *(name for name in plugins.names(plugins.COMMANDS) if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command of that name."""
        if name in COMMANDS:
            command: click.Command = import_module(f"profilerkit.cli.{name}_command").command
            command.name = name
            return command
        from profilerkit import plugins

        if name in plugins.names(plugins.COMMANDS):
            added: click.Command = plugins.load(plugins.COMMANDS, name)
            return added
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed, and look at what the settings file says of its options."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, click.Group) and not ctx.resilient_parsing:
            _check_defaults(command, (ctx.default_map or {}).get(str(name)) or {}, str(name))
        return name, command, rest


@rich_click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "PROFILERKIT"},
)
@click.version_option(__version__, prog_name="profilerkit", message="%(prog)s %(version)s")
def profilerkit() -> None:
    """Record where the memory and the time of a Python program went, even when it is killed.

    `profilerkit run script.py` records; `profilerkit list` and `profilerkit show latest` tell.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    _prepare_streams()
    try:
        profilerkit.main(
            list(arguments), prog_name="profilerkit", standalone_mode=False, default_map=_defaults()
        )
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)  # noqa: T201 - the help itself
        return 2
    except click.BadParameter as error:
        say(f"{error.format_message().rstrip('.')}{_origin(error)}. See: {_path(error, arguments)} --help")
        return error.exit_code
    except click.ClickException as error:
        say(f"{error.format_message().rstrip('.')}. See: {_path(error, arguments)} --help")
        return error.exit_code
    except click.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except ProfilerKitError as error:
        say(str(error))
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        _drop_output()
        return 141
    except OSError as error:
        say(_in_words(error))
        return 1
    except Exception as error:
        if {"-v", "--verbose"} & set(arguments):
            raise
        say(f"This should not have happened ({type(error).__name__}: {error}). Run it with -v to see where.")
        return 1
    return 0


def _in_words(error: OSError) -> str:
    """Return what the system refused, and where there may be no room if that was it."""
    from profilerkit.outfile import FULL

    if error.filename is not None or error.errno not in FULL:
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}."
    import tempfile

    places = [f"in {tempfile.gettempdir()}"]
    with contextlib.suppress(OSError, ValueError):
        if not sys.stdout.isatty() and not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
            places.insert(0, "where the standard output goes")
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()  # it would be tried again at our end
    return f"{error.strerror}, {' or '.join(places)}. Make room there, or write to another place."


def _drop_output() -> None:
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Have closed streams swallow what is written, and characters that a stream cannot show be escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for our whole life
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _path(error: click.ClickException, arguments: Sequence[str]) -> str:
    """Return the command that an error is of; click does not say it of an option without its value."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        return context.command_path
    return f"profilerkit {arguments[0]}" if arguments and arguments[0] in COMMANDS else "profilerkit"


def _origin(error: click.BadParameter) -> str:
    """Return where a value came from that nobody typed."""
    name = error.param.name if error.param is not None else None
    if error.ctx is None or name is None:
        return ""
    source = error.ctx.get_parameter_source(name)
    if source is click.core.ParameterSource.DEFAULT_MAP:
        return f" ([tool.profilerkit.{error.ctx.info_name}] of {find_pyproject()})"
    if source is click.core.ParameterSource.ENVIRONMENT:
        variable = f"PROFILERKIT_{error.ctx.info_name}_{name}".upper()
        return f" (from the environment: {variable})"
    return ""


def say(text: str) -> None:
    """Write one line of ours to the standard error."""
    line = " ".join(text.split())
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"profilerkit: {line}\n".encode("utf-8", "backslashreplace").decode())
        sys.stderr.flush()


def _defaults() -> dict[str, Any]:
    """Return the defaults of all commands from the settings file, as click takes them."""
    path = find_pyproject()
    if path is None:
        return {}
    table = read_table(path)
    shared = {name: table[name] for name in FLAGS if name in table}
    names = {*COMMANDS, *(name for name, value in table.items() if isinstance(value, dict))}
    own = {name: table.get(name) for name in names}
    for name, value in own.items():
        if value is not None and not isinstance(value, dict):
            raise UsageError(f"[tool.profilerkit.{name}] of {path} is not a table.")
    return {name: {**shared, **(value or {})} for name, value in own.items()}


def _check_defaults(command: click.Command, given: Mapping[str, Any], table: str) -> None:
    """Raise UsageError for what is no option of a command, or no value that an option can have."""
    options = {each.name: each for each in command.params if isinstance(each, click.Option)}
    where = f"[tool.profilerkit.{table}] of {find_pyproject()}"
    for name, value in given.items():
        option = options.get(name)
        if option is None and name not in FLAGS:
            has = ", ".join(sorted(filter(None, options)))
            raise UsageError(f"There is no option {name!r}, in {where} (there are: {has}).")
        several = isinstance(value, list) and option is not None and option.multiple
        if not all(isinstance(each, (str, int, float)) for each in (value if several else [value])):
            raise UsageError(f"{name} in {where} cannot be {str(value)[:100]!r}: it is one value.")


def set_up_logging(verbose: bool, quiet: bool) -> None:
    """Show our own log on the standard error, as much of it as was asked for."""
    log = logging.getLogger("profilerkit")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("profilerkit: %(message)s"))
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING)
