"""Turn names into store keys, and tell keys from what is none.

Object stores take keys of at most 1,024 bytes, their own root included: what is made here stays under
900, whatever the names are.
"""

from __future__ import annotations

import re

from profilerkit.errors import StoreError
from profilerkit.model import Recording

PART_LENGTH = 200
KEY_LENGTH = 900
TEMPORARY = ".tmp-"
"""What the names of half-written files begin with; no part of a key does."""

NAMES_LENGTH = 480
NAMES_COUNT = 8
PROFILER_LENGTH = 64
PATH_LENGTH = 196
"""Of a raw file in its capture: `.zst` follows."""

_PART = re.compile(r"[A-Za-z0-9._%=-]{1,200}")
_PREFIX_END = re.compile(r"[A-Za-z0-9._%=-]{0,200}")
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\Z)")


def is_part(part: str) -> bool:
    """Tell whether this can be one part of a key."""
    return bool(_PART.fullmatch(part)) and part not in (".", "..") and not part.startswith(TEMPORARY)


def is_key(key: str) -> bool:
    """Tell whether this is a key."""
    return len(key) <= KEY_LENGTH and all(is_part(part) for part in key.split("/"))


def check_key(key: str) -> str:
    """Return the key. Raises StoreError when it is none."""
    if not is_key(key):
        raise StoreError(f"{key!r} is not a key of a store.")
    return key


def check_prefix(prefix: str) -> str:
    """Return what keys may begin with. Raises StoreError when none can."""
    *parts, end = prefix.split("/")
    if len(prefix) > KEY_LENGTH or not all(map(is_part, parts)) or not _PREFIX_END.fullmatch(end):
        raise StoreError(f"No key of a store begins with {prefix!r}.")
    return prefix


def escape(name: str, limit: int = PART_LENGTH) -> str:
    """Return a part of a key, at most `limit` (33 or more) long, that no other name has.

    ASCII letters, digits, `_`, `-` and inner dots stay, every other byte of the UTF-8 form becomes
    `%XX`. An unescaped `=` marks what cannot be read back: alone it is the empty name; where the
    result would be too long it comes between its beginning and 128 bits of the name's SHA-256.
    """
    if not name:
        return "="
    data = name.encode("utf-8", "surrogatepass")
    pieces = [chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in data]
    for end in (0, -1):  # `.`, `..`, hidden and temporary names; Windows drops a dot at the end
        if pieces[end] == ".":
            pieces[end] = "%2E"
    if _DEVICE.match(name):  # files that Windows reserves
        pieces[0] = f"%{data[0]:02X}"
    escaped = "".join(pieces)
    if len(escaped) <= limit:
        return escaped
    import hashlib

    kept = ""
    for piece in pieces:
        if len(kept) + len(piece) > limit - 33:
            break
        kept += piece
    return f"{kept}={hashlib.sha256(data).hexdigest()[:32]}"


def unescape(part: str) -> str | None:
    """Return the name that was escaped, or None for one that was shortened."""
    if part == "=":
        return ""
    if "=" in part:
        return None
    data = re.sub(rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), part.encode("ascii"))
    return data.decode("utf-8", "surrogatepass")


def escape_path(path: str) -> str:
    """Return the parts of a key for a relative path with `/`, escaped one by one."""
    escaped = "/".join(escape(part, PATH_LENGTH) for part in path.split("/"))
    return escaped if len(escaped) <= PATH_LENGTH else escape(path, PATH_LENGTH)


def recording_key(recording: Recording) -> str:
    """Return the key of a recording's folder: `recordings/<kind>/<escaped names…>/<recording id>`."""
    subject = recording.subject
    names = list(subject.names.values())
    if len(names) > NAMES_COUNT:
        names[NAMES_COUNT - 1 :] = ["/".join(names[NAMES_COUNT - 1 :])]
    parts = [escape(name) for name in names]
    if sum(map(len, parts)) > NAMES_LENGTH:
        parts = [escape(name, NAMES_LENGTH // len(names)) for name in names]
    return "/".join(["recordings", subject.kind, *parts, escape(recording.id, 64)])


def capture_key(recording_key: str, profiler: str, *path: str) -> str:
    """Return a key under the folder of one profiler of a recording; `path` is escaped already."""
    return "/".join([recording_key, escape(profiler, PROFILER_LENGTH), *path])
