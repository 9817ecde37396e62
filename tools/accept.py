"""Run the commands that show that the criteria of docs/acceptance.toml hold, and print which do.

    python tools/accept.py [--only GLOB] [--kind KIND] [--workers N] [--list] [--verbose]

With workers the tests of this environment run side by side; benchmarks always run alone. A command
that several criteria share runs once. It passes with exit code 0. It is absent when the file, test,
make target or tool that it names does not exist. Exits with 0 when everything passes.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path("docs/acceptance.toml")
KINDS = ("test", "benchmark", "e2e")
NO_TESTS = (4, 5)
"""How pytest says that what was named is not there, or that no test was selected."""


@dataclass(frozen=True)
class Criterion:
    """Something that must hold, and the command that shows it."""

    id: str
    title: str
    bar: str
    command: str
    kind: str


@dataclass(frozen=True)
class Result:
    """What became of a command."""

    verdict: str
    seconds: float
    output: str = ""


def load(path: Path = FILE) -> list[Criterion]:
    """Return the criteria; raise ValueError when the file is not as it should be."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["criterion"]
    criteria = [Criterion(**row) for row in rows]
    ids = [each.id for each in criteria]
    doubles = sorted({each for each in ids if ids.count(each) > 1})
    if doubles:
        raise ValueError(f"these ids are there twice: {', '.join(doubles)}")
    for each in criteria:
        if each.kind not in KINDS:
            raise ValueError(f"{each.id} has kind {each.kind!r}, which is none of {', '.join(KINDS)}")
    return criteria


def missing(command: str) -> str | None:
    """Return what a command needs that does not exist, None when it can run."""
    for step in re.split(r"&&|;|\|", command):
        words = [word for word in shlex.split(step) if "=" not in word.partition("/")[0]]
        if not words:
            continue
        if shutil.which(words[0]) is None:
            return words[0]
        if words[0] == "make":
            for target in words[1:]:
                if not re.search(rf"(?m)^{re.escape(target)}:", Path("Makefile").read_text(encoding="utf-8")):
                    return f"make {target}"
        for word in words[1:]:
            if (found := _missing_path(word)) is not None:
                return found
    return None


def _missing_path(word: str) -> str | None:
    """Return a word that names a file or test of ours that is not there."""
    path, _, node = word.partition("::")
    if not re.match(r"(tests|benchmarks|examples|tools|docs)/", path) and not node:
        return None
    if not Path(path).exists():
        return path
    names = {each.partition("[")[0] for each in node.split("::")} - {""}
    return word if names - _defined(Path(path)) else None


def _defined(path: Path) -> set[str]:
    if path.suffix != ".py":
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def run(command: str, *, verbose: bool) -> Result:
    """Run one command, with this interpreter's tools first on the path."""
    if (what := missing(command)) is not None:
        return Result("absent", 0.0, f"{what} does not exist")
    tools = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if verbose else subprocess.PIPE,
        stderr=None if verbose else subprocess.STDOUT,
        check=False,
    )
    if done.returncode in NO_TESTS and re.search(r"\bpytest\b", command):
        verdict = "absent"
    else:
        verdict = "miss" if done.returncode else "pass"
    output = "" if done.stdout is None else done.stdout.decode("utf-8", "replace")
    return Result(verdict, time.monotonic() - began, output)


def main() -> int:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description="Run what docs/acceptance.toml lists.")
    parser.add_argument("--only", metavar="GLOB", default="*", help="only the criteria whose id fits")
    parser.add_argument("--list", action="store_true", help="list the criteria and run nothing")
    parser.add_argument("--verbose", action="store_true", help="show what the commands print")
    parser.add_argument("--kind", choices=KINDS, help="only the criteria of this kind")
    parser.add_argument("--workers", type=int, default=0, help="run so many tests side by side")
    asked = parser.parse_args()
    criteria = [
        each
        for each in load()
        if fnmatch.fnmatchcase(each.id, asked.only) and asked.kind in (None, each.kind)
    ]
    if not criteria:
        print(f"No criterion fits {asked.only!r}.", file=sys.stderr)
        return 2
    if asked.list:
        for each in criteria:
            print(f"{each.id:<16} {each.kind:<10} {each.title}")
            print(f"{'':<16} {each.bar}\n{'':<16} $ {each.command}")
        return 0
    commands = dict.fromkeys(each.command for each in criteria)
    results = run_all(commands, workers=asked.workers, verbose=asked.verbose)
    return report(criteria, results)


def run_all(commands: Iterable[str], *, workers: int, verbose: bool) -> dict[str, Result]:
    """Run each command and say how it went as it goes: what a benchmark measured, the end of what failed."""
    results = {}
    for command in commands:
        print(f"$ {command}", file=sys.stderr, flush=True)
        result = results[command] = run(side_by_side(command, workers), verbose=verbose)
        if result.verdict != "pass" or "benchmarks/" in command:
            print("\n".join(f"    {line}" for line in result.output.splitlines()[-25:]), file=sys.stderr)
        print(f"    {result.verdict}, {result.seconds:.0f} s", file=sys.stderr, flush=True)
    return results


def side_by_side(command: str, workers: int) -> str:
    """Return a command whose tests, those of this environment, run side by side."""
    options = f"-n {workers} --dist loadfile" if workers else ""
    return re.sub(r"(^|&& )((?:[A-Z_]+=\S+ )*pytest)\b", rf"\1\2 {options}".rstrip(), command)


def report(criteria: list[Criterion], results: dict[str, Result]) -> int:
    """Print the table and return 1 unless everything passed."""
    width = max(len(each.title) for each in criteria)
    print(f"{'ID':<16} {'TITLE':<{width}} {'VERDICT':<7} SECONDS")
    for each in criteria:
        result = results[each.command]
        print(f"{each.id:<16} {each.title:<{width}} {result.verdict:<7} {result.seconds:7.1f}")
    verdicts = [results[each.command].verdict for each in criteria]
    counts = {name: verdicts.count(name) for name in ("pass", "miss", "absent")}
    print(", ".join(f"{number} {name}" for name, number in counts.items()))
    return 0 if counts["pass"] == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
