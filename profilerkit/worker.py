"""Run one job on a capture, read it or render a report, and answer on standard output.

Started by `limits.run_job` as a process of its own, which it may crash, exhaust or overrun.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and sys.path[0].endswith("profilerkit"):
    del sys.path[0]  # this folder: its modules are not top-level ones

import contextlib
import json
import os
import pathlib
import signal
from importlib import import_module
from typing import Any

LONGEST_ERROR = 500
SPARE_SECONDS = 5
"""So long after the caller should have ended us we end ourselves."""


def main() -> None:
    """Answer the question on standard input."""
    question = json.load(sys.stdin)
    sys.path += [each for each in question["sys_path"] if each not in sys.path]
    # What plugins print must not mix with the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _limit(question["limits"])
    json.dump(_answer(question), answer)
    answer.flush()
    os._exit(0)  # whatever threads or exit handlers a plugin left behind


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    from profilerkit.errors import ProfilerKitError

    try:
        return _read(question) if question["do"] == "read" else _render(question)
    except MemoryError:
        limit = question["limits"]["memory_bytes"] >> 20
        return {"limit": True, "error": f"It needed more than {limit} MiB of memory and was ended."}
    except ProfilerKitError as error:
        return {"error": _plain(str(error), question)}
    except OSError as error:
        return {"error": f"{error.strerror or error} ({type(error).__name__})."}
    except Exception as error:  # noqa: BLE001 - a plugin's mistake is an answer too
        words = _plain(str(error), question)
        return {"error": f"{question['entry']} failed: {type(error).__name__}: {words}"}


def _plain(text: str, question: dict[str, Any]) -> str:
    """Return what a plugin says, one line of fair length without the folder in which we put the capture.

    It may quote a hostile capture.
    """
    line = " ".join(text.replace(f"{question['folder']}{os.sep}", "").split())
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
    return line if len(line) <= LONGEST_ERROR else f"{line[: LONGEST_ERROR - 1]}…"


def _limit(limits: dict[str, float]) -> None:
    seconds = int(limits["seconds"]) + 1
    if hasattr(signal, "alarm"):  # should whoever waits for us be killed
        signal.alarm(seconds + SPARE_SECONDS)
    try:
        import resource
    except ImportError:
        return
    for what, wanted in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
        (resource.RLIMIT_FSIZE, int(limits["output_bytes"])),
        (resource.RLIMIT_CPU, seconds),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (allowed, allowed))


def _load(entry: str) -> Any:
    from profilerkit.errors import CaptureError

    module, _, name = entry.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CaptureError(
            f"{entry} is not installed here ({error}).", "Install the plugin that recorded it."
        ) from error


def _read(question: dict[str, Any]) -> dict[str, Any]:
    from profilerkit.interfaces import CaptureFiles
    from profilerkit.model import parse_time
    from profilerkit.readingjson import reading_to_json

    reading = _load(question["entry"]).read(
        CaptureFiles(
            folder=pathlib.Path(question["folder"]),
            options=question["options"],
            versions=question["versions"],
            roots=question["roots"],
            started_at=parse_time(question["started_at"]),
            interrupted=question["interrupted"],
            elsewhere=question.get("elsewhere", False),
        )
    )
    with pathlib.Path(question["target"]).open("w", encoding="utf-8", errors="surrogatepass") as file:
        json.dump(reading_to_json(reading), file, separators=(",", ":"))
    return {"summary": dict(reading.summary), "contents": reading.contents}


def _render(question: dict[str, Any]) -> dict[str, Any]:
    from profilerkit.source import JobSource

    renderer = _load(question["entry"])(**question["options"])
    renderer.render(JobSource(question), pathlib.Path(question["target"]))
    return {}


if __name__ == "__main__":
    main()
