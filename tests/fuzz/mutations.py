"""Damage files in the ways that disks, kills and people do; the same number gives the same damage."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Damage = Callable[[bytes, random.Random], bytes]

NUMBERS = (
    b"\xff" * 8,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\xff" * 7 + b"\x7f",
    bytes(8),
    b"\0\0\0\x40",
    b"\x80" * 5,
)
"""What makes a declared size or a place in a file huge, negative or nothing."""

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 31, 1 << 63, 10**30, 1e308, -1e308, 0.5, "", "x", "NaN", "\ud800", "x" * 100_000,
    [], {}, [[]], [None], {"": {}}, [1, 2, 3], "/etc/passwd", "../../etc/passwd", "\x1b[31m\n",
)  # fmt: skip
WORDS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'"\\ud800"',
)


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Flip up to twenty bits."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 3, 20)) if out else 0):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def cut(data: bytes, chance: random.Random) -> bytes:
    """Cut the end off, anywhere or near the beginning."""
    return data[: chance.randrange(chance.choice((len(data), 64)) + 1)]


def spliced(data: bytes, chance: random.Random) -> bytes:
    """Move, repeat or leave out a block."""
    if not data:
        return data
    size = chance.choice((1, 4, 8, 64, 512, max(1, len(data) // 4)))
    here, there = chance.randrange(len(data)), chance.randrange(len(data))
    block = data[here : here + size]
    kept = chance.choice((data, data[:here] + data[here + size :]))
    return kept[:there] + chance.choice((block, b"", block * 3)) + kept[there + chance.choice((0, size)) :]


def resized(data: bytes, chance: random.Random) -> bytes:
    """Put a number that is no possible size somewhere, often near the beginning, where headers are."""
    number = chance.choice(NUMBERS)
    place = chance.randrange(chance.choice((len(data), 128)) + 1)
    return data[:place] + number + data[place + len(number) :]


def noise(data: bytes, chance: random.Random) -> bytes:
    """Keep the beginning, and have random bytes follow."""
    kept = chance.choice((0, 8, 32, 200, len(data) // 2))
    return data[:kept] + chance.randbytes(chance.choice((1, 100, 10_000)))


def swollen(data: bytes, chance: random.Random) -> bytes:
    """Have zeros, or the whole again, follow."""
    return data + chance.choice((bytes(1 << 20), data, data[::-1], b"\n" * 100_000))


def other_value(data: bytes, chance: random.Random) -> bytes:
    """Change, remove or add one value in JSON, in one of its lines if it is lines."""
    lines = data.splitlines(keepends=True) or [b""]
    place = chance.randrange(len(lines))
    try:
        plain = json.loads(lines[place])
    except (ValueError, RecursionError):
        return flipped(data, chance)
    lines[place] = json.dumps(_with_other(plain, chance)).encode() + b"\n" * lines[place].endswith(b"\n")
    return b"".join(lines)


def _with_other(plain: Any, chance: random.Random) -> Any:
    if not isinstance(plain, (dict, list)) or not plain or chance.random() < 0.1:
        return chance.choice(VALUES)
    keys: Sequence[Any] = list(plain) if isinstance(plain, dict) else range(len(plain))
    key = chance.choice(keys)
    if chance.random() < 0.1:
        del plain[key]
    else:
        plain[key] = _with_other(plain[key], chance)
    return plain


def other_word(data: bytes, chance: random.Random) -> bytes:
    """Put something that JSON hardly allows in the place of a number."""
    places = [place for place in range(len(data)) if data[place : place + 1].isdigit()] or [0]
    place = chance.choice(places)
    return data[:place] + chance.choice(WORDS) + data[place + 1 :]


BINARY: tuple[Damage, ...] = (flipped, flipped, cut, cut, spliced, resized, resized, noise, swollen)
TEXT: tuple[Damage, ...] = (other_value, other_value, other_value, other_word)


def damaged(data: bytes, number: int) -> bytes:
    """Return the bytes with damage, one kind or several."""
    chance = random.Random(number)
    kinds = (*BINARY, *TEXT, *TEXT) if data[:1] in (b"{", b"[") else BINARY
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(kinds)(data, chance)
    return data


def damaged_capture(
    files: dict[str, bytes], foreign: Sequence[bytes], number: int
) -> tuple[str, dict[str, bytes]]:
    """Return the files of a capture with damage to one of them, and what was done in words."""
    chance = random.Random(number)
    out = dict(files)
    # Mostly the largest file: it is the capture itself.
    name = max(out, key=lambda each: len(out[each])) if chance.random() < 0.8 else chance.choice(sorted(out))
    way = chance.random()
    if way < 0.05:
        out[name] = chance.choice(foreign)
        return f"{number}: another profiler's file as {name}", out
    if way < 0.08:
        out[name] = b""
        return f"{number}: {name} empty", out
    if way < 0.10:
        del out[name]
        return f"{number}: {name} missing", out
    out[name] = damaged(out[name], number)
    return f"{number}: damage to {name}", out
