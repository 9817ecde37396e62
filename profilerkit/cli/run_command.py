"""`profilerkit run`: make the plan, then become the user's program."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich_click as click
from click.shell_completion import CompletionItem

from profilerkit.cli.shared import common, complete_option, complete_profiler, parse_label
from profilerkit.descriptors import opened_high
from profilerkit.errors import UsageError
from profilerkit.settings import Settings


class ProgramCommand(click.RichCommand):
    """A command whose options end with the program's name, also where an option gives it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave everything behind `-m MODULE` and `-c CODE` to the program, as Python does."""
        end = self._end_of_ours(ctx, args)
        return super().parse_args(ctx, [*args[:end], "--", *args[end:]] if end else args)

    def _end_of_ours(self, ctx: click.Context, args: list[str]) -> int:
        """Return where the program's own arguments begin, 0 where its name is one of them."""
        params = {flag: each for each in self.get_params(ctx) for flag in each.opts}
        place = 0
        while place < len(args) and args[place].startswith("-") and args[place] not in ("-", "--"):
            word = args[place]
            flags = [word.partition("=")[0]] if word.startswith("--") else [f"-{each}" for each in word[1:]]
            for letter, flag in enumerate(flags, 2):
                param = params.get(flag)
                if not isinstance(param, click.Option) or param.is_flag:
                    continue
                joined = "=" in word if word.startswith("--") else letter < len(word)
                place += 0 if joined else 1
                if flag in ("-m", "-c"):
                    return min(place + 1, len(args))
                break
            place += 1
        return 0


@click.command(
    cls=ProgramCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    epilog="Everything after SCRIPT, MODULE or CODE belongs to the program.",
)
@click.option(
    "-p", "--profiler", "profilers", multiple=True, metavar="NAME", shell_complete=complete_profiler,
    help="A profiler that takes part, as often as you like. Default: resources, cpu and memray.",
)  # fmt: skip
@click.option(
    "-o", "--option", "options", multiple=True, metavar="NAME.OPTION=VALUE", envvar="PROFILERKIT_OPTIONS",
    shell_complete=complete_option, help="An option of a profiler, such as memray.native=true.",
)  # fmt: skip
@click.option(
    "--name",
    envvar="PROFILERKIT_NAME",
    metavar="N",
    help="What to call the recording. Default: the program's.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="K=V",
    envvar="PROFILERKIT_LABELS",
    help="A label to find it by.",
)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as python -m does.")
@click.option("-c", "code", metavar="CODE", help="Run this text as a program, as python -c does.")
@click.argument(
    "program",
    metavar="SCRIPT [ARGS]…",
    nargs=-1,
    type=click.UNPROCESSED,
    shell_complete=lambda *_: [CompletionItem("", type="file")],
)
@common
def command(
    profilers: tuple[str, ...],
    options: tuple[str, ...],
    name: str | None,
    labels: tuple[str, ...],
    module: str | None,
    code: str | None,
    program: tuple[str, ...],
    settings: Settings,
    quiet: bool,
    verbose: bool,
) -> None:
    """Run a program and record it.

    It behaves as with `python`: same output, exit code, signals and arguments. When it ends, or is
    killed, a process beside it uploads the recording.
    """
    from profilerkit import select

    mode, target, arguments = _program(module, code, program)
    chosen = profilers or settings.profilers
    choices = select.choose(chosen, _merged_options(settings, options, chosen))
    _refuse_ephemeral(settings.store_url)
    argv = [{"script": target, "module": "-m", "code": "-c"}[mode], *arguments]
    plan = select.make_plan(
        "script",
        {"name": name if name is not None else _default_name(mode, target)},
        choices,
        settings,
        labels=dict(parse_label(each) for each in labels),
        argv=argv,
        own_folders=_own_folders(mode, target),
    )
    _become({**plan, "quiet": quiet}, mode, target, arguments)


def _program(
    module: str | None, code: str | None, program: tuple[str, ...]
) -> tuple[str, str, tuple[str, ...]]:
    if module is not None and code is not None:
        raise UsageError("-m and -c cannot go together.", "See: profilerkit run --help")
    if module is not None:
        return "module", module, program
    if code is not None:
        return "code", code, program
    if not program:
        raise UsageError(
            "There is nothing to run.", "Name a script, or -m MODULE, or -c CODE. See: profilerkit run --help"
        )
    script, *arguments = program
    try:
        found = os.stat(script)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"The script {script!r} cannot be opened ({reason}).", "Check the path.") from None
    if stat.S_ISDIR(found.st_mode) and not any(Path(script).glob("__main__.py*")):
        raise UsageError(f"The folder {script!r} has no __main__.py.", "Name a script in it.")
    if not os.access(script, os.R_OK):
        raise UsageError(
            f"The script {script!r} cannot be opened (Permission denied).", "Check who may read it."
        )
    return "script", script, tuple(arguments)


def _default_name(mode: str, target: str) -> str:
    if mode == "script":
        return os.path.basename(os.path.abspath(target))
    return {"module": target, "code": "-c"}[mode]


def _own_folders(mode: str, target: str) -> list[str]:
    folders = []
    if mode == "script":
        path = os.path.realpath(target)
        folders.append(path if os.path.isdir(path) else os.path.dirname(path))
    with contextlib.suppress(OSError):  # the working folder is gone
        folders.append(os.getcwd())
    return folders


def _merged_options(
    settings: Settings, given: Sequence[str], chosen: Sequence[str]
) -> dict[str, dict[str, Any]]:
    merged = {name: dict(values) for name, values in settings.options.items() if name in chosen}
    for text in given:
        key, equals, value = text.partition("=")
        name, _, option = key.partition(".")
        if not equals or not option:
            raise UsageError(
                f"-o {text!r} is not of the form NAME.OPTION=VALUE.", "Write -o memray.native=true."
            )
        if name not in chosen:
            raise UsageError(
                f"-o {text!r} is for {name!r}, which does not take part (chosen: {', '.join(chosen)}).",
                f"Add -p {name}.",
            )
        merged.setdefault(name, {})[option] = value
    return merged


def _refuse_ephemeral(url: str) -> None:
    if url.partition("://")[0] == "memory":
        raise UsageError(
            "A memory:// store ends with the process that has it, so nothing recorded would be left.",
            "Use a folder or an object store: --store ./recordings.",
        )


def _become(plan: dict[str, Any], mode: str, target: str, arguments: Sequence[str]) -> None:
    """Execute the launcher in our place; as PID 1 or an adopter of orphans, stay as a small init."""
    from profilerkit import process

    launcher = str(Path(__file__).parent.parent / "launch.py")
    stays = process.is_orphans_parent() or not hasattr(os, "posix_spawn")
    # Whatever runs the launcher, orphans will not become the launcher's children.
    plan = {**plan, "can_have_watcher": hasattr(os, "posix_spawn")}
    descriptor = _readable(json.dumps(plan).encode())
    options = interpreter_options(sys.orig_argv[1:])
    command = [sys.executable, *options, launcher, str(descriptor), mode, target, *arguments]
    environment = given_environment()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as with `>&-`
            stream.flush()
    if stays:
        from profilerkit.cli.init import run_as_init

        sys.exit(run_as_init(command, environment, Path(plan["spool"]) / plan["id"], plan["settings"]))
    os.execve(sys.executable, command, environment)


def given_environment() -> dict[str, str]:
    """Return our environment without what Python itself put into it when it left the C locale (PEP 538).

    The program's Python would else find itself in another locale, and not in its UTF-8 mode.
    """
    environment = dict(os.environ)
    with contextlib.suppress(OSError):
        first = Path("/proc/self/environ").read_bytes().split(b"\0")
        given = [os.fsdecode(each[len(b"LC_CTYPE=") :]) for each in first if each.startswith(b"LC_CTYPE=")]
        environment.pop("LC_CTYPE", None)
        if given:
            environment["LC_CTYPE"] = given[0]
    return environment


def interpreter_options(arguments: Sequence[str]) -> list[str]:
    """Return the options of the interpreter itself from what it was started with."""
    options = []
    given = iter(arguments)
    for each in given:
        if not each.startswith("-") or each in ("-", "--"):
            break
        if each.startswith("--"):
            options += [each, next(given, "")]  # --check-hash-based-pycs: the only one that runs a program
            continue
        letters = each[1:]
        last = next((place for place, letter in enumerate(letters) if letter in "cmWX"), len(letters))
        if letters[last:] in ("W", "X"):
            options += [each, next(given, "")]
        elif letters[last : last + 1] in ("c", "m"):
            if last:
                options.append(f"-{letters[:last]}")
            break
        else:
            options.append(each)
    return options


def _readable(data: bytes) -> int:
    """Return an inheritable descriptor from which `data` can be read; it has no name on any disk."""
    with opened_high():  # with its standard streams closed, the program must not find it in their place
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("profilerkit-plan", 0)
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
    try:
        _write_all(descriptor, data)
    except OSError:  # a limit on the size of files holds for files in memory too
        os.close(descriptor)
        return _piped(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.set_inheritable(descriptor, True)
    return descriptor


def _piped(data: bytes) -> int:
    """Return an inheritable descriptor of a pipe that gives `data`."""
    import fcntl

    with opened_high():
        reading, writing = os.pipe()
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, len(data))
    os.set_blocking(writing, False)
    written = 0
    with contextlib.suppress(BlockingIOError):
        while written < len(data):
            written += os.write(writing, data[written:])
    if written < len(data):
        _leave_to_a_writer(reading, writing, data[written:])
    os.close(writing)
    os.set_inheritable(reading, True)
    return reading


def _leave_to_a_writer(reading: int, writing: int, data: bytes) -> None:
    """Have a process that is no child of ours, nor of the program, write what the pipe cannot hold yet."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        if os.fork() == 0:
            os.close(reading)
            os.set_blocking(writing, True)
            _write_all(writing, data)
    finally:
        os._exit(0)


def _write_all(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])
