"""Have what takes long made in processes of their own, each thing once, however many ask for it.

What is made lies in a local folder, one subfolder a thing: `lock` is held by the process that makes it,
`done.json` says how it went. Nothing about it is kept in memory, so that several servers share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from profilerkit._version import __version__
from profilerkit.codec import event_to_json
from profilerkit.errors import StoreError
from profilerkit.limits import Limits
from profilerkit.model import Event
from profilerkit.settings import Settings
from profilerkit.storeurl import store_fingerprint

DONE = "done.json"
LOCK = "lock"
LOG = "log"
READY, RENDERING, FAILED = "ready", "rendering", "failed"
GRACE_SECONDS = 30.0
"""So long after its limit a job that does not end by itself is ended."""
POLL_SECONDS = 0.05
LOOK_SECONDS = 5.0
MOST_JOBS = 8
"""So many processes of one server work or wait for a turn; who asks for more waits without one."""
PROGRAM = (
    "import json, sys; question = json.load(sys.stdin); sys.path[:] = question['sys_path']; "
    "from profilerkit.web.job import main; main(question)"
)

_places = threading.BoundedSemaphore(MOST_JOBS)

log = logging.getLogger("profilerkit.web")


@frozen
class Order:
    """What is to be made: a kind, the recordings it is made of as they are now, and a word more."""

    kind: str
    """`overview`, `report` or `comparison`."""
    events: tuple[Event, ...]
    name: str = ""

    @property
    def key(self) -> str:
        """Return the name of the folder: another revision or version, another folder."""
        of = [[each.recording.id, each.recording.revision, each.event_id] for each in self.events]
        text = json.dumps([self.kind, of, self.name, __version__])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@frozen
class State:
    """How far a thing is."""

    state: str
    """`ready`, `rendering` or `failed`."""
    folder: Path
    seconds: float = 0.0
    """For how long it has been in the making."""
    message: str | None = None
    """Why it failed."""
    result: Mapping[str, Any] = field(factory=dict)
    """What the job said of what it made."""


@frozen
class Workshop:
    """Where things are made for one store."""

    folder: Path
    store_url: str
    storage_options: Mapping[str, Any]
    limits: Limits

    @classmethod
    def of(cls, settings: Settings, limits: Limits) -> Workshop:
        """Return the workshop beside the store's catalog, or in a folder of this process's own."""
        folder = settings.catalog_folder / f"{store_fingerprint(settings.store_url)}.work"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            usable = folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
        except OSError:
            usable = False
        if not usable:
            folder = Path(tempfile.mkdtemp(prefix="profilerkit-work-"))
        return cls(folder, settings.store_url, settings.storage_options, limits)

    def look(self, order: Order) -> State | None:
        """Return how far a thing is, None when nobody has begun it."""
        folder = self.folder / order.key
        done = _done(folder)
        if done is None and not _is_held(folder / LOCK):
            done = _done(folder)  # it may have ended between the two looks
        if done is None:
            return State(RENDERING, folder, _age(folder / LOCK)) if _is_held(folder / LOCK) else None
        if "error" in done:
            return State(FAILED, folder, message=str(done["error"]))
        return State(READY, folder, result=done)

    def ask(self, order: Order, *, again: bool = False, wait_seconds: float = 0.0) -> State:
        """Return how far a thing is, beginning it when nobody has; `again` also when it had failed.

        With `wait_seconds` it is waited for, so long at most.
        """
        end = time.monotonic() + wait_seconds
        state = self.look(order)
        if state is None or (again and state.state == FAILED):
            state = self._begin(order, again=again)
        while state.state == RENDERING and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            state = self.look(order) or self._begin(order, again=False)
        return state

    def _begin(self, order: Order, *, again: bool) -> State:
        folder = self.folder / order.key
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"Nothing can be written into {self.folder} ({error.strerror}).") from error
        try:
            if not _take(descriptor):
                return State(RENDERING, folder, _age(folder / LOCK))
            if again:
                with contextlib.suppress(FileNotFoundError):
                    (folder / DONE).unlink()
            done = _done(folder)
            if done is None:
                os.utime(folder / LOCK)
                self._start(order, folder, descriptor)
        finally:
            os.close(descriptor)  # the job has its own
        return self.look(order) or State(RENDERING, folder)

    def _start(self, order: Order, folder: Path, descriptor: int) -> None:
        """Start a process if there is a place for one; else who asks again begins it."""
        if not _places.acquire(blocking=False):
            return
        with contextlib.ExitStack() as held:
            held.callback(_places.release)
            self._launch(order, folder, descriptor)
            held.pop_all()  # `_watch` gives the place back

    def _launch(self, order: Order, folder: Path, descriptor: int) -> None:
        question = {
            "kind": order.kind,
            "name": order.name,
            "events": [event_to_json(each).decode() for each in order.events],
            "folder": str(folder),
            "shared": str(self.folder),
            "store_url": self.store_url,
            "storage_options": dict(self.storage_options),
            "limits": [self.limits.memory_bytes, self.limits.seconds, self.limits.output_bytes],
            "sys_path": sys.path,
        }
        with (folder / LOG).open("wb") as words:
            job = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=words,
                stderr=words,
                pass_fds=(descriptor,),
                start_new_session=True,
                env={**os.environ, "PYTHONUTF8": "1"},
            )
        assert job.stdin is not None
        with contextlib.suppress(OSError):
            job.stdin.write(json.dumps(question).encode())
        with contextlib.suppress(OSError):
            job.stdin.close()
        watch = threading.Thread(target=self._watch, args=(job, folder), daemon=True, name="profilerkit-job")
        watch.start()

    def _watch(self, job: subprocess.Popen[bytes], folder: Path) -> None:
        """Wait for a job's end, and write what it could not say itself.

        While it waits for its turn it touches the lock: that time does not count.
        """
        problem = None
        try:
            while _age(folder / LOCK) < 2 * self.limits.seconds + GRACE_SECONDS:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    if job.wait(LOOK_SECONDS) != 0:
                        problem = _last_words(folder) or f"The job ended with {job.returncode}."
                    break
            else:
                problem = f"It took over {self.limits.seconds:.0f} s and was ended."
                with contextlib.suppress(OSError):
                    os.killpg(job.pid, signal.SIGKILL)
                job.wait()
        finally:
            _places.release()
        if problem is not None and _done(folder) is None:
            log.warning("A job failed: %s", problem)
            with contextlib.suppress(OSError):
                finish(folder, {"error": problem})


def finish(folder: Path, result: Mapping[str, Any]) -> None:
    """Say that a thing is done, and how it went."""
    temporary = folder / f".{DONE}.{os.getpid()}"
    temporary.write_text(json.dumps(dict(result)), encoding="utf-8")
    temporary.replace(folder / DONE)


def _done(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / DONE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _is_held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _take(descriptor, shared=True)
    finally:
        os.close(descriptor)


def _take(descriptor: int, *, shared: bool = False) -> bool:
    """Take a lock for as long as the descriptor, or a copy of it, is open; those who only look share it."""
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _age(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / LOG).read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][-300:] if lines else ""
