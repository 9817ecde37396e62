"""Read and write the files of the journal event by event, byte for byte: loose ones and those of a day."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import zstandard
from attrs import evolve, frozen

from profilerkit.codec import event_from_json, event_to_json, to_json
from profilerkit.errors import FormatError, NotFoundError, StoreError
from profilerkit.ids import uuid7
from profilerkit.interfaces import ResultStore
from profilerkit.journal import DAYS, EVENT_BYTES, told_by
from profilerkit.keys import escape
from profilerkit.model import Event, EventKind

FILE_BYTES = 128 << 20
"""A larger file of a day, uncompressed, is not ours and stays as it is."""
PIECE_BYTES = 1 << 10
"""Compressed bytes that are unpacked at once: at most 32 MiB come of them."""
KEYS_AT_ONCE = 64

FILE = re.compile(r"journal/days/(?P<day>\d{4}-\d\d-\d\d)[^/]*\.jsonl\.zst")
MADE = re.compile(r"\.([0-7][0-9a-f]{7})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\.jsonl\.zst\Z")
"""The time in the id that `put_file` gives."""

log = logging.getLogger("profilerkit.archive")


@frozen
class Line:
    """One event as it is stored; `event` is None where this version cannot read it."""

    data: bytes
    event: Event | None = None
    newer: bool = False


def slim(line: Line) -> Line:
    """Return what has to be remembered of a deleted recording: which one it was, and when it went."""
    event = line.event
    if event is None or event.kind is not EventKind.DELETED:
        return line
    rest: dict[str, Any] = {"captures": (), "evidence": (), "warnings": (), "labels": {}, "summary": {}}
    slim = evolve(event, recording=evolve(event.recording, **rest))
    return Line(event_to_json(slim), slim)


def load(store: ResultStore, keys: Sequence[str]) -> Iterator[tuple[str, Sequence[Line]]]:
    """Yield what lies under keys and can be moved; several are read at once where that is faster."""
    if store.concurrency <= 1:
        yield from ((key, lines) for key in keys if (lines := _movable(store, key)) is not None)
        return
    with ThreadPoolExecutor(store.concurrency) as pool:
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            for key, lines in zip(some, pool.map(lambda each: _movable(store, each), some), strict=True):
                if lines is not None:
                    yield key, lines


def _movable(store: ResultStore, key: str) -> Sequence[Line] | None:
    """Return what lies under a key, None for what has to stay there or is gone."""
    try:
        if key.startswith(DAYS):
            return read_file(store, key)
        return [read_loose(store, key)]
    except NotFoundError:
        return None
    except FormatError as error:
        log.warning("%s stays as it is. %s", key, error)
        return None


def read_loose(store: ResultStore, key: str) -> Line:
    with store.open(key) as stream:
        data = stream.read(EVENT_BYTES + 1)
    if len(data) > EVENT_BYTES:
        raise FormatError(f"It is damaged (an event of more than {EVENT_BYTES} bytes).")
    event = event_from_json(data)
    if told_by(key) != (escape(event.recording.id, 64), event.kind):
        raise FormatError("It is damaged (an event of another recording than its key says).")
    data = data.strip()
    return Line(to_json(json.loads(data)) if b"\n" in data or b"\r" in data else data, event)


def read_file(store: ResultStore, key: str) -> list[Line]:
    """Return the events in a file of a day. Raises FormatError when it is damaged or too large."""
    found = []
    for data in _unpacked(store, key).split(b"\n"):
        if len(data) > EVENT_BYTES:
            raise FormatError(f"It is damaged (an event of more than {EVENT_BYTES} bytes).")
        if data.strip():
            found.append(_line(data))
    return found


def put_file(store: ResultStore, day: str, lines: Sequence[bytes]) -> bool:
    """Store events in a file of a day with a name of its own; tell whether it is there.

    Raises StoreError when something else is there.
    """
    text = b"".join(line + b"\n" for line in lines)
    key = f"{DAYS}{day}.{uuid7()}.jsonl.zst"
    store.put(key, zstandard.ZstdCompressor(level=9, write_checksum=True).compress(text))
    try:
        stored = _unpacked(store, key)
    except NotFoundError:
        return False
    except FormatError:
        stored = b""
    if stored != text:
        raise StoreError(f"The store did not keep {key} as it was written: nothing was compacted.")
    return True


def age_of(key: str) -> timedelta:
    """Return how long ago a file of a day was made, by its name; endless if that does not tell."""
    match = MADE.search(key)
    if match is None:
        return timedelta.max
    made = datetime.fromtimestamp(int(match[1] + match[2], 16) / 1000, timezone.utc)
    return abs(datetime.now(timezone.utc) - made)


def _line(data: bytes) -> Line:
    try:
        return Line(data, event_from_json(data))
    except FormatError as error:
        return Line(data, newer=error.mend is not None)


def _unpacked(store: ResultStore, key: str) -> bytes:
    """Return the text of a file of a day. Raises FormatError when it is damaged, cut or too large."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    text = bytearray()
    try:
        with store.open(key) as stream:
            while not unpacker.eof and (piece := stream.read(PIECE_BYTES)):
                text += unpacker.decompress(piece)
                if len(text) > FILE_BYTES:
                    raise FormatError(f"It has more than {FILE_BYTES} bytes.")
            more = unpacker.unused_data or stream.read(1)
    except zstandard.ZstdError as error:
        raise FormatError(f"It is damaged ({error}).") from error
    if not unpacker.eof or more:
        raise FormatError("It is damaged (it ends too early or too late).")
    return bytes(text)
