"""Whatever is run, and with which options of the interpreter, it finds itself as Python leaves it."""

from __future__ import annotations

import os
import py_compile
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.twins import Twins, assert_equal

LOOK = """
import os, sys
main = sys.modules["__main__"]
print({name: value for name, value in dict(globals()).items()})
print(main, main.__dict__ is globals(), locals() is globals(), __name__)
print(sys.argv, sys.orig_argv[sys.orig_argv.index("-m"):] if "-m" in sys.orig_argv else sys.orig_argv)
print(sys.path, sys.flags, sys.warnoptions, sys._xoptions, sys.executable, sys.getrecursionlimit())
print(sorted(each for each in os.environ if each not in ("_", "SHLVL")), os.getcwd(), os.umask(0o22))
print(os.getpgrp() == os.getpgid(os.getppid()), os.getsid(0) == os.getsid(os.getppid()))
print(sys.getprofile(), sys.gettrace(), sys.getswitchinterval(), sys.excepthook, sys.dont_write_bytecode)
print(ascii(sys.stdin.read()), sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering)
print(sys.stderr.errors, sys.stdin.isatty(), sys.getfilesystemencoding(), sys.stdout.write_through)
"""
FOUND = "print(__file__, __name__, __package__, __spec__ and __spec__.name)\n"


@pytest.fixture
def look(twins: Twins) -> Twins:
    """Give twins with a program that looks at itself, as a script, a package, a folder and an archive."""
    twins.write(LOOK, "look.py")
    twins.write(LOOK + FOUND + "import sys; sys.exit(4)\n", "package/__main__.py")
    twins.write("value = 1\n", "package/__init__.py")
    twins.write("from helper import word\n" + LOOK + FOUND + "1 / 0\n", "folder/__main__.py")
    twins.write("word = 'helped'\n", "folder/helper.py")
    folder = twins.lab.folder
    for name, first in (("archive.zip", b""), ("archive", b"#!/usr/bin/env python3\n")):
        with (folder / name).open("wb") as file:
            file.write(first)
            with zipfile.ZipFile(file, "a") as archive:
                for each in ("__main__.py", "helper.py"):
                    archive.write(folder / "folder" / each, each)
    return twins


@pytest.mark.parametrize(
    "arguments",
    [
        ("look.py",),
        ("look.py", "a", "b c", "--name", "-x", "", "--", "é"),
        ("./look.py",),
        ("package/../look.py",),
        ("-m", "look", "-p", "x"),
        ("-m", "package", "x"),
        ("-c", LOOK, "a", "-b"),
        ("-c", "import look"),
        ("folder", "x"),
        ("./folder/", "x"),
        ("archive.zip", "x"),
        ("archive", "x"),
        ("-m", "nosuch"),
        ("-m", "package.nosuch"),
        ("-m", "package/"),
        ("-m", "json.tool"),
        ("-m", "unittest", "--help"),
    ],
    ids=" ".join,
)
def test_what_is_run(look: Twins, arguments: tuple[str, ...]) -> None:
    """Scripts, modules, packages, code, folders and archives see the same world."""
    look.assert_same(*arguments, stdin=b"first\nsecond\n")


@pytest.mark.parametrize(
    "options",
    [
        ("-I",),
        ("-E", "-s"),
        ("-u",),
        ("-OO", "-B"),
        ("-bb", "-q"),
        ("-X", "dev"),
        ("-Xutf8", "-Wd"),
        ("-W", "error::UserWarning", "-W", "ignore::SyntaxWarning"),
        ("-X", "int_max_str_digits=640"),
        ("--check-hash-based-pycs", "never"),
        *([("-P",)] if sys.version_info >= (3, 11) else []),
    ],
    ids=" ".join,
)
def test_options_of_the_interpreter(look: Twins, options: tuple[str, ...]) -> None:
    """The options that the interpreter was given are the program's."""
    look.assert_same("look.py", "x", interpreter=options)


def test_options_written_together(look: Twins) -> None:
    """Short options may be written in one word with the -m that runs us."""
    command = look.recorded_command("look.py")
    assert command[1] == "-m"
    assert_equal(look.plain("-us", "look.py"), look._run([command[0], "-usm", *command[2:]]))


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONUNBUFFERED": "1"},
        {"PYTHONIOENCODING": "latin-1:backslashreplace"},
        {"PYTHONUTF8": "1", "LC_ALL": "C"},
        {"LC_ALL": "C", "LANG": "C"},
        {"LC_ALL": "", "LANG": "C", "LC_CTYPE": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONOPTIMIZE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error::UserWarning"},
        {"PYTHONPATH": "folder", "PYTHONNOUSERSITE": "1"},
    ],
    ids=str,
)
def test_variables_of_the_interpreter(look: Twins, environment: dict[str, str]) -> None:
    """The variables that Python obeys have the same effect."""
    look.assert_same("look.py", stdin="é\n".encode(), environment=environment)


@pytest.mark.parametrize(
    "words", [("-mlook", "-q"), ("-qmlook", "-p"), ("-qm", "look", "--help"), ("-cimport look", "-h")]
)
def test_module_or_code_in_one_word(look: Twins, words: tuple[str, ...]) -> None:
    """What follows a module or code is the program's, however it was written."""
    plain = look.plain(
        *(each.replace("-q", "-", 1) if number == 0 else each for number, each in enumerate(words))
    )
    recorded = look.recorded(*words)
    assert plain.lines()[2].partition("]")[0] == recorded.lines()[2].partition("]")[0]
    assert plain.code == recorded.code == 0


def test_links(look: Twins) -> None:
    """A linked script is found under its link, with its own folder on the path."""
    folder = look.lab.folder
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "link.py").symlink_to(folder / "look.py")
    (folder / "linked").symlink_to(folder / "folder")
    look.assert_same("elsewhere/link.py")
    look.assert_same("linked")


def test_compiled_file(look: Twins) -> None:
    """A compiled script runs, whatever its name; one of another version is refused in Python's words."""
    folder = look.lab.folder
    py_compile.compile(str(folder / "look.py"), cfile=str(folder / "look.pyc"))
    os.link(folder / "look.pyc", folder / "compiled")
    look.assert_same("look.pyc")
    look.assert_same("compiled")
    look.write(b"\x01\x02\r\n" + bytes(40), "other.pyc")
    look.assert_same("other.pyc")


def test_script_from_a_pipe(twins: Twins) -> None:
    """`run <(…)` reads the whole of a script that can be read only once."""
    source = "print(1)\nimport sys; print(sys.stdin.read()); " + "x = 1; " * 9000 + "1 / 0\n"
    text = twins.lab.folder / "source"
    text.write_text(source)

    def through_pipe(command: list[str]) -> list[str]:
        words = " ".join(f"'{each}'" for each in command)
        return ["bash", "-c", f"{words} <(cat '{text}')"]

    plain = twins._run(through_pipe(twins.plain_command()), stdin=b"in")
    recorded = twins._run(through_pipe(twins.recorded_command()), stdin=b"in")
    assert_equal(plain, recorded)
    assert plain.stdout == "1\nin\n"


def test_working_folder_that_is_gone(look: Twins) -> None:
    """A program runs in a folder that was deleted."""
    gone = look.lab.folder / "gone"
    script = str(look.lab.folder / "look.py")
    change = f"mkdir '{gone}'; cd '{gone}'; rmdir '{gone}'; "
    source = "import sys; print(sys.path, sys.argv)"
    for arguments in ((script.replace("look", "short"),), ("-c", source), ("-m", "this")):
        look.write(source, "short.py")
        plain, recorded = (
            look._run(["sh", "-c", change + " ".join(f"'{each}'" for each in command)])
            for command in (look.plain_command(*arguments), look.recorded_command(*arguments))
        )
        assert_equal(plain, recorded)


def test_console_script_and_checkout(twins: Twins) -> None:
    """The installed command and `python -m` from a checkout that is not installed do the same."""
    name = twins.write(
        "import sys\nprint(sys.path, sys.argv, sorted(each for each in sys.modules if '_' not in each))\n"
    )
    command = [str(Path(sys.executable).with_name("profilerkit")), "run", "-q", "-p", "resources", name, "x"]
    twins.profilers = ["resources"]
    assert twins._run(command) == twins.recorded(name, "x")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nosuch.py",), "No such file"),
        (("empty",), "has no __main__.py"),
    ],
)
def test_nothing_to_run(twins: Twins, arguments: tuple[str, ...], words: str) -> None:
    """What is not there is said in one line, and exits with Python's code for it."""
    (twins.lab.folder / "empty").mkdir()
    ran = twins.recorded(*arguments)
    assert ran.code == 2
    assert ran.stderr.count("\n") == 1
    assert words in ran.stderr
