"""Keep recordings on local disk until they are shipped: one folder each, files as the only language.

Light to import: recorded processes use this without `pathlib`. Each file has one writer:

    session.json    the session, in the recorded process: what is recorded, how it went
    watcher.json    the watcher: signs of life, death, evidence
    due.json        the watcher: there is something to ship
    taken.json      ship: that note, while it ships
    ship.json       ship: what was shipped so far, or why it was not
    lock            held by the watcher as long as it looks after the spool
    captures/<profiler>/…   the profilers
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
from collections.abc import Iterator

from profilerkit.errors import FormatError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SESSION, WATCHER, DUE, TAKEN, SHIP, LOCK, LOG = (
    "session.json",
    "watcher.json",
    "due.json",
    "taken.json",
    "ship.json",
    "lock",
    "watcher.log",
)
CAPTURES = "captures"
RESERVE = "reserve"
RESERVE_BYTES = 1 << 16
"""Room that is given up when the disk is full, so that the last words of a recording can be written."""
NEW, TRASH = ".new-", ".trash-"


def prepare_root(root: str) -> None:
    """Make the folder of all spools of this user, for nobody else's eyes.

    Raises UnavailableError when it is not ours alone: another user could plant files in it.
    """
    try:
        os.makedirs(root, mode=0o700, exist_ok=True)
        found = os.lstat(root)
    except OSError as error:
        raise UnavailableError(
            f"The spool folder {root} cannot be made ({error.strerror}).", "Set PROFILERKIT_SPOOL to another."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise UnavailableError(
            f"The spool folder {root} does not belong to this user.", "Set PROFILERKIT_SPOOL to another."
        )
    if found.st_mode & 0o077:
        os.chmod(root, 0o700)


def create(root: str, recording_id: str, session: dict[str, Any]) -> str:
    """Make a recording's spool, whole or not at all, and return its folder."""
    process = session["process"]
    new = os.path.join(root, f"{NEW}{recording_id}-{process['pid']}-{process['start_ticks']}")
    os.mkdir(new, mode=0o700)
    os.mkdir(os.path.join(new, CAPTURES))
    with open(os.path.join(new, RESERVE), "wb") as file:
        file.write(bytes(RESERVE_BYTES))
    write_json(os.path.join(new, SESSION), session, last=True)
    folder = os.path.join(root, recording_id)
    os.rename(new, folder)
    return folder


def write_json(path: str | Path, data: Any, *, last: bool = False) -> None:
    """Replace a file by JSON in one step: a reader sees the old or the new, never a part.

    Where the disk is full, what is said `last` takes the room that was kept for that.
    """
    text = json.dumps(data, separators=(",", ":")).encode("utf-8", "surrogatepass")
    try:
        _replace(path, text)
    except OSError as error:
        if not last or error.errno != errno.ENOSPC:
            raise
        try:
            os.unlink(os.path.join(os.path.dirname(path), RESERVE))
        except OSError:
            raise error from None
        _replace(path, text)


def _replace(path: str | Path, text: bytes) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    left = memoryview(text)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    os.replace(temporary, path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what `write_json` wrote, or None when there is nothing readable."""
    try:
        data = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def folders(root: Path) -> list[Path]:
    """Return the spools under `root`, oldest first: real folders of this user, in one of this user.

    What another user could have planted is nobody's recording.
    """
    if not _is_ours(root):
        return []
    names = sorted(os.listdir(root))
    return [root / name for name in names if not name.startswith(".") and _is_ours(root / name)]


def _is_ours(folder: Path) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())


def capture_folder(spool: Path, profiler: str) -> Path:
    """Return where a profiler leaves its capture. Raises FormatError for a name that leads elsewhere."""
    if not profiler or profiler.startswith(".") or {"/", "\\", "\0"} & set(profiler):
        raise FormatError(f"{profiler!r} is no name of a profiler.")
    return spool / CAPTURES / profiler


def capture_files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the files of a capture with their sizes, none temporary, none that is not a plain file."""
    from pathlib import Path

    for directory, names, files in os.walk(folder):
        names.sort()
        for name in sorted(files):
            path = Path(directory, name)
            if name.endswith(".tmp"):
                continue
            with contextlib.suppress(OSError):  # it vanished: the next listing tells
                found = os.lstat(path)
                if stat.S_ISREG(found.st_mode):
                    yield path, found.st_size


def captured_bytes(folder: Path) -> int:
    """Return what the files of a capture, or of all captures, hold on disk."""
    return sum(size for _, size in capture_files(folder))


def take_due(spool: Path) -> None:
    """Take the note that something is due, so that a newer one is not mistaken for it."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(spool / DUE, spool / TAKEN)


def is_due(spool: Path) -> dict[str, Any] | None:
    """Return the newest note that something is due; one that a dead ship had taken counts too."""
    return read_json(spool / DUE) or read_json(spool / TAKEN)


def delete(spool: Path) -> None:
    """Remove a spool: gone under its name at once, then from the disk."""
    import shutil  # not in recorded processes

    trash = spool.with_name(f"{TRASH}{spool.name}-{os.getpid()}")
    with contextlib.suppress(OSError):
        spool.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def lock(path: Path) -> int | None:
    """Take a lock file and return its descriptor; None when another process holds it.

    The lock belongs to the open file: whoever inherits the descriptor holds it too.
    """
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def ship_lock(root: Path, fingerprint: str) -> Path:
    """Return the lock file that the one ship of this host, user and store holds."""
    return root / f".ship-{fingerprint}.lock"


def is_orphan(spool: Path, session: dict[str, Any], silent_seconds: float = 24 * 3600.0) -> bool:
    """Tell whether nobody looks after a spool any more: no watcher, and the recorded process is dead.

    A process of another boot or pid namespace cannot be judged from here: it counts as dead when its
    spool was silent for `silent_seconds`.
    """
    from profilerkit.process import boot_id, is_alive, is_here

    process = session["process"]
    here = is_here(process)
    if here and is_alive(process) and session.get("phase") != "ended":
        return False
    descriptor = lock(spool / LOCK)
    if descriptor is None:
        return False
    os.close(descriptor)
    if here:
        return True
    rebooted = process["boot_id"] != boot_id() and session.get("host") == os.uname().nodename
    return rebooted or time.time() - last_change(spool) > silent_seconds


def last_change(spool: Path) -> float:
    """Return when anything in the spool was last written, in seconds since the epoch."""
    times = [0.0]
    for path in (
        spool,
        spool / SESSION,
        spool / WATCHER,
        *(path for path, _ in capture_files(spool / CAPTURES)),
    ):
        with contextlib.suppress(OSError):
            times.append(os.lstat(path).st_mtime)
    return max(times)


def sweep(root: Path, age_seconds: float = 60.0) -> None:
    """Remove what a dead process left half-made, and what a dead ship left half-removed."""
    import shutil

    from profilerkit.process import stat_fields

    for name in os.listdir(root) if root.is_dir() else []:
        path = root / name
        if name.startswith(TRASH):
            shutil.rmtree(path, ignore_errors=True)
        elif name.startswith(NEW) and time.time() - last_change(path) > age_seconds:
            pid, ticks = (name.rsplit("-", 2) + ["", ""])[1:3]
            fields = stat_fields(int(pid)) if pid.isdigit() else []
            if not fields or fields[19] != ticks:
                shutil.rmtree(path, ignore_errors=True)
