"""Upload every spool of one store that is due or orphaned, then end: the only writer to a store on a host.

Runs as a process of its own by its path, with the ship lock as an inherited descriptor; spools are
its queue. A spool is deleted only after everything in it was stored.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and sys.path[0].endswith("profilerkit"):
    del sys.path[0]  # this folder: its modules are not top-level ones

import contextlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from profilerkit import process, receipts, shipping, spool
from profilerkit.archive import Archive
from profilerkit.assemble import assemble
from profilerkit.errors import CaptureError, FormatError, ProfilerKitError, StoreError
from profilerkit.keys import recording_key
from profilerkit.limits import Limits
from profilerkit.model import Capture, CaptureFile, EventKind, Recording, Status
from profilerkit.reading import Reading
from profilerkit.readings import make_reading, merged_summary, reading_name
from profilerkit.retry import RetryingStore

MIB = 1 << 20
READ_AT_MOST_BYTES = 32 * MIB
"""Captures up to this size are read here, at once; larger ones when somebody looks at them."""
CHECKPOINT_ALLOWANCE_BYTES = 4 * MIB

log = logging.getLogger("profilerkit.ship")


class Ship:
    """Upload spools under `root` to one store."""

    def __init__(self, root: Path, archive: Archive, fingerprint: str) -> None:
        self._root = root
        self._archive = Archive(RetryingStore(archive.store))
        self._fingerprint = fingerprint

    def due(self) -> list[tuple[Path, bool]]:
        """Return the spools to ship now, and whether for good."""
        found = []
        for folder in spool.folders(self._root):
            session = spool.read_json(folder / spool.SESSION)
            if session is None or (session.get("store") or {}).get("fingerprint") != self._fingerprint:
                continue
            due = spool.is_due(folder)
            if spool.is_orphan(folder, session):
                found.append((folder, True))
            elif due is not None:
                found.append((folder, bool(due["final"])))
        return found

    def ship(self, folder: Path, *, final: bool) -> Recording:
        """Upload one spool; when final, delete it. Return the recording as it was stored.

        Raises StoreError when the store refuses, FormatError for a spool that nobody can read; the
        spool is kept then, with the reason in it.
        """
        began = time.monotonic()
        spool.take_due(folder)
        state = spool.read_json(folder / spool.SHIP) or {}
        try:
            recording = self._upload(folder, state, final=final)
        except ProfilerKitError as error:
            self._note(folder, {**state, "error": str(error), "tries": state.get("tries", 0) + 1})
            raise
        if final:
            self._leave_receipt(folder, recording, time.monotonic() - began)
            spool.delete(folder)
        else:
            (folder / spool.TAKEN).unlink(missing_ok=True)
        return recording

    def _leave_receipt(self, folder: Path, recording: Recording, seconds: float) -> None:
        session = spool.read_json(folder / spool.SESSION) or {}
        if not session.get("settings", {}).get("receipts"):
            return
        sizes = (each.stored_bytes or 0 for capture in recording.captures for each in capture.files)
        receipt = {
            "id": recording.id,
            "kind": recording.subject.kind,
            "names": dict(recording.subject.names),
            "status": recording.status.value,
            "outcome": recording.outcome.value if recording.outcome else None,
            "summary": dict(recording.summary),
            "duration_seconds": recording.duration_seconds,
            "shipped_bytes": sum(sizes),
            "ship_seconds": seconds,
        }
        receipts.leave(self._root, receipt)

    def _upload(self, folder: Path, state: dict[str, Any], *, final: bool) -> Recording:
        recording = assemble(folder)
        recording = attrs.evolve(recording, revision=int(state.get("revision", 0)) + 1)
        key = recording_key(recording)
        uploads: dict[str, dict[str, int]] = state.setdefault("uploads", {})
        captures = [
            self._upload_capture(folder, key, each, uploads.setdefault(each.profiler, {}), final=final)
            for each in recording.captures
        ]
        recording = attrs.evolve(recording, captures=tuple(captures))
        if final:
            recording = self._read(folder, key, recording)
        self._archive.publish(recording, EventKind.FINAL if final else EventKind.RUNNING)
        self._note(folder, {**state, "revision": recording.revision, "error": None})
        return recording

    def _upload_capture(
        self, folder: Path, key: str, capture: Capture, past: dict[str, int], *, final: bool
    ) -> Capture:
        """Upload the files of a capture, or at a checkpoint only if the budget allows them again.

        What all checkpoints of a capture have uploaded together stays under twice of what it holds
        compressed, or under a little more than the allowance, for those that are small.
        """
        path = spool.capture_folder(folder, capture.profiler)
        size = capture.size_bytes
        expected = past.get("stored", 0) * size // max(1, past.get("raw", 1))
        if not final and past.get("uploaded", 0) > max(expected, CHECKPOINT_ALLOWANCE_BYTES):
            return attrs.evolve(capture, files=self._files_of(past))
        files = []
        for each in capture.files:
            try:
                stored = self._archive.put_raw(key, capture.profiler, path / each.path, each.path)
            except FileNotFoundError:  # it vanished since it was listed, as temporary files do
                continue
            files.append(CaptureFile(each.path, each.size_bytes, stored))
        total = sum(each.stored_bytes or 0 for each in files)
        past.update(raw=size, stored=total, uploaded=past.get("uploaded", 0) + total)
        past["files"] = [attrs.asdict(each) for each in files]  # type: ignore[assignment]
        return attrs.evolve(capture, files=tuple(files))

    @staticmethod
    def _files_of(past: Mapping[str, Any]) -> tuple[CaptureFile, ...]:
        return tuple(CaptureFile(**each) for each in past.get("files", []))

    def _read(self, folder: Path, key: str, recording: Recording) -> Recording:
        """Make the readings that are cheap or can be made only here, and the summary from them."""
        readings: dict[str, Reading] = {}
        captures = []
        with tempfile.TemporaryDirectory(prefix=".read-", dir=folder) as scratch:
            for capture in recording.captures:
                captures.append(self._read_one(folder, key, recording, capture, Path(scratch), readings))
        summary = merged_summary(dict(recording.summary), readings)
        return attrs.evolve(recording, captures=tuple(captures), summary=summary)

    def _read_one(
        self,
        folder: Path,
        key: str,
        recording: Recording,
        capture: Capture,
        scratch: Path,
        readings: dict[str, Reading],
    ) -> Capture:
        too_large = capture.portable and capture.size_bytes > READ_AT_MOST_BYTES
        crowded = (process.memory_share(process.cgroup_folder(os.getpid())) or 0.0) > 0.8
        nothing = not capture.files or capture.status in (Status.FAILED, Status.SKIPPED)
        if nothing or too_large or (capture.portable and crowded):
            return capture
        try:
            limits = Limits(memory_bytes=3072 * MIB, seconds=120.0)
            raw = spool.capture_folder(folder, capture.profiler)
            reading = make_reading(recording, capture, raw, scratch, limits)
        except (CaptureError, FormatError) as error:
            log.warning("%s of %s could not be read: %s", capture.profiler, recording.id, error)
            return capture
        readings[capture.profiler] = reading
        self._archive.put_reading(key, capture.profiler, reading_name(capture, recording.revision), reading)
        return attrs.evolve(capture, contents=reading.contents)

    @staticmethod
    def _note(folder: Path, state: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            spool.write_json(folder / spool.SHIP, state)


def ship_all(ship: Ship) -> tuple[list[Recording], list[str]]:
    """Ship whatever is due until nothing is; return what was shipped and what went wrong.

    A store that fails once is left alone: whoever waits tries again later.
    """
    shipped: list[Recording] = []
    errors: list[str] = []
    skipped: set[Path] = set()
    while True:
        todo = [(folder, final) for folder, final in ship.due() if folder not in skipped]
        if not todo:
            return shipped, errors
        for folder, final in todo:
            try:
                shipped.append(ship.ship(folder, final=final))
            except StoreError as error:
                errors.append(str(error))
                return shipped, errors
            except Exception as error:  # noqa: BLE001 - one damaged spool keeps no other from being shipped
                errors.append(f"{folder.name}: {error}")
                skipped.add(folder)


def _log_to_the_watchers_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    ours = logging.getLogger("profilerkit")
    ours.addHandler(handler)
    ours.propagate = False


def main() -> int:
    """Ship for the watcher that started us and handed over the lock."""
    question = json.load(sys.stdin)
    sys.path += [each for each in question["sys_path"] if each not in sys.path]
    _log_to_the_watchers_log()
    from profilerkit.stores import open_store

    lock: int | None = int(sys.argv[1])
    root = Path(question["root"])
    store = question["store"]
    try:
        archive = Archive(open_store(store["url"], store.get("options")))
    except ProfilerKitError as error:
        log.warning("%s", error)
        return 1
    ship = Ship(root, archive, store["fingerprint"])
    spool.sweep(root)
    while lock is not None:
        _, errors = ship_all(ship)
        os.close(lock)
        if errors:
            log.warning("%s", errors[-1])
            return 1
        # What became due between the last look and the release is nobody's else.
        lock = spool.lock(spool.ship_lock(root, store["fingerprint"])) if ship.due() else None
    if question.get("retention"):
        shipping.start_maintenance(question)
    return 0


if __name__ == "__main__":
    sys.exit(main())
