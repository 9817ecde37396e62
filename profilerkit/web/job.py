"""Make one thing for the web app, in a process of its own: it may take memory and time, and may fail.

Started by `work.Workshop`; it holds the lock of its folder, which it inherited, until it ends.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from profilerkit.archive import Archive
from profilerkit.codec import event_from_json
from profilerkit.errors import LimitError, ProfilerKitError
from profilerkit.limits import Limits
from profilerkit.render import StoreShelf, make_report
from profilerkit.stores import open_store
from profilerkit.web.foreign import framed
from profilerkit.web.overview import overview, timelines
from profilerkit.web.work import DONE, LOCK, finish

AT_ONCE = 2
"""So many jobs of one store work at the same time on one machine."""
KEPT_SECONDS = 24 * 3600.0
KEPT_BYTES = 2 << 30
LONGEST_ERROR = 500


def main(question: Mapping[str, Any]) -> None:
    """Make what is asked for, and say how it went."""
    folder = Path(question["folder"])
    memory_bytes, seconds, output_bytes = question["limits"]
    limits = Limits(memory_bytes, seconds, output_bytes)
    try:
        with _turn(Path(question["shared"]) / "turns", folder / LOCK):
            _end_in_time(seconds)  # waiting for a turn takes none of it
            result = _make(question, folder, limits)
        finish(folder, result)
    except ProfilerKitError as error:
        finish(folder, {"error": str(error)[:LONGEST_ERROR]})
    except OSError as error:
        finish(folder, {"error": f"{error.strerror or error}."})
    except Exception as error:  # noqa: BLE001 - a plugin's mistake is an answer too
        finish(
            folder,
            {"error": f"This should not have happened ({type(error).__name__}: {error})."[:LONGEST_ERROR]},
        )
    _tidy(Path(question["shared"]), keep=folder)


def _make(question: Mapping[str, Any], folder: Path, limits: Limits) -> dict[str, Any]:
    archive = Archive(open_store(question["store_url"], question["storage_options"] or None))
    shelves = [StoreShelf(archive, event_from_json(each.encode())) for each in question["events"]]
    if question["kind"] == "overview":
        found, readings = overview(shelves[0])
        _write(folder / "overview.json.gz", found)
        _write(folder / "timelines.json.gz", timelines(shelves[0].recording, readings))
        return {}
    if question["kind"] == "comparison":
        from profilerkit.web.contrast import contrast

        found, flames = contrast(*shelves)
        _write(folder / "comparison.json.gz", found)
        for name, flame in flames.items():
            _write(folder / f"flame-{list(flames).index(name)}.json.gz", flame)
        return {"flames": list(flames)}
    return _report(shelves[0], question["name"], folder, limits)


def _report(shelf: StoreShelf, name: str, folder: Path, limits: Limits) -> dict[str, Any]:
    made = folder / "report"
    info = make_report(shelf, name, made, limits=limits)
    size = made.stat().st_size
    _compress(made, folder / "report.gz")
    if info.filename.endswith((".html", ".htm")):
        framed(made, folder / "framed.gz")
    made.unlink()
    return {"filename": info.filename, "title": info.title, "bytes": size, "profiler": info.profiler}


def _write(path: Path, found: Mapping[str, Any]) -> None:
    text = json.dumps(found, allow_nan=False, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode("ascii"), compresslevel=5, mtime=0))


def _compress(source: Path, target: Path) -> None:
    with source.open("rb") as plain, gzip.open(target, "wb", compresslevel=5) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


@contextlib.contextmanager
def _turn(folder: Path, waiting: Path) -> Iterator[None]:
    """Wait until fewer than so many others work; a touched file tells that we still do, until we begin."""
    folder.mkdir(mode=0o700, exist_ok=True)
    places = [folder / str(number) for number in range(AT_ONCE)]
    while (lock := next(filter(None, map(_taken, places)), None)) is None:
        os.utime(waiting)
        time.sleep(0.1)
    os.utime(waiting)
    with lock:
        yield


def _taken(path: Path) -> BinaryIO | None:
    """Return a file that is locked as long as it is open, None when another holds the lock."""
    import fcntl

    lock = path.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _end_in_time(seconds: float) -> None:
    """Have ourselves interrupted when it takes too long; what we started is ended on the way out."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise LimitError(f"It took over {seconds:.0f} s and was ended.")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _tidy(shared: Path, *, keep: Path) -> None:
    """Remove what was made long ago, or when it is too much altogether, the oldest first."""
    import fcntl

    found = []
    for done in shared.glob(f"*/{DONE}"):
        with contextlib.suppress(OSError):
            size = sum(each.stat().st_size for each in done.parent.iterdir())
            found.append((done.stat().st_mtime, size, done.parent))
    total = sum(size for _, size, _ in found)
    for made_at, size, folder in sorted(found):
        if folder == keep or (time.time() - made_at < KEPT_SECONDS and total <= KEPT_BYTES):
            continue
        with contextlib.suppress(OSError), (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


if __name__ == "__main__":
    main(json.load(sys.stdin))
    os._exit(0)
