"""Make ids that sort by the time they were made."""

from __future__ import annotations

import os
import time


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562); later ones of one clock sort after earlier ones.

    The 12 bits after the milliseconds are a finer part of the time (its method 3), the other 62 chance.
    """
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    chance = int.from_bytes(os.urandom(8), "big") >> 2
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (rest_ns * 4096 // 1_000_000) << 64
    digits = f"{value | 0b10 << 62 | chance:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
