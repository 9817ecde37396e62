"""Turn recordings and events into the JSON that is stored, and back."""

from __future__ import annotations

import functools
import json
import math
from datetime import datetime, timezone
from typing import Any, TypeVar

from cattrs import Converter

from profilerkit.errors import FormatError
from profilerkit.keys import escape, is_key
from profilerkit.model import FORMAT, Event, EventKind, Outcome, Placement, Recording, Status, parse_time

T = TypeVar("T", Recording, Event)

MOST_PARTS = 2_000_000
"""Objects and arrays in one document: the JSON of an empty one is 25 times smaller than itself."""


def recording_to_json(recording: Recording) -> bytes:
    """Return the content of a `recording.json`."""
    return to_json(_converter().unstructure(recording))


def recording_from_json(data: bytes) -> Recording:
    """Return the recording in a `recording.json`.

    Unknown fields are passed over. Raises FormatError when it is damaged or of a newer format.
    """
    return _from_json(data, Recording)


def event_to_json(event: Event) -> bytes:
    """Return the content of an event, one line without its end."""
    return to_json(_converter().unstructure(event))


def event_from_json(data: bytes) -> Event:
    """Return an event whose key is the folder of its recording and nothing else.

    Raises FormatError when it is damaged or of a newer format.
    """
    event = _from_json(data, Event)
    folder, _, name = event.key.rpartition("/")
    if (
        not is_key(event.key)
        or not folder.startswith("recordings/")
        or name != escape(event.recording.id, 64)
    ):
        raise FormatError(f"It is damaged (its key is {event.key[:200]!r}).")
    return event


def format_time(time: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with microseconds and `Z`; what has no zone is UTC."""
    time = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def to_json(plain: Any) -> bytes:
    """Return compact JSON in ASCII; what it cannot say becomes null (infinity) or text (a path)."""
    try:
        return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError):
        return json.dumps(_plain(plain), separators=(",", ":"), allow_nan=False).encode("ascii")


def _from_json(data: bytes, kind: type[T]) -> T:
    try:
        if data.count(b"[") + data.count(b"{") > MOST_PARTS:
            raise FormatError("It is damaged (it has too many parts).")
        plain = json.loads(data, parse_constant=lambda _: None, parse_float=_finite)
        stored = int(plain["format"])
        if stored > FORMAT:
            raise FormatError(
                f"It has format {stored}; this version reads up to {FORMAT}.", "Install a newer profilerkit."
            )
        return _converter().structure(_healed(plain), kind)
    except FormatError:
        raise
    except Exception as error:  # whatever a converter makes of hostile data
        raise FormatError(f"It is damaged ({type(error).__name__}: {str(error)[:200]}).") from error


def _healed(plain: Any) -> Any:
    """Leave out an interval that was infinite, which JSON could not say: the default holds."""
    recording = plain.get("recording", plain)
    if recording.get("checkpoint_interval_seconds", 0) is None:
        del recording["checkpoint_interval_seconds"]
    return plain


def _finite(text: str) -> float | None:
    """Return a number, null for one that no float is large enough for."""
    number = float(text)
    return number if math.isfinite(number) else None


def _plain(value: Any) -> Any:
    """Return what JSON can say of a value of any type, as options of a plugin may have."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _time(text: Any, _kind: object) -> datetime:
    time = parse_time(text)
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)


def _text(value: Any, _kind: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _member(value: Any, kind: Any) -> Any:
    return kind(value)


@functools.lru_cache(maxsize=1)
def _converter() -> Converter:
    converter = Converter(detailed_validation=False, omit_if_default=False)
    converter.register_unstructure_hook(datetime, format_time)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(str, _text)
    for kind in (Status, Outcome, Placement, EventKind):  # they are strings too
        converter.register_structure_hook(kind, _member)
    return converter
