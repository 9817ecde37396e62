"""Compress the raw files of a capture, and decompress those that anybody may have made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from profilerkit.errors import FormatError, LimitError

MIB = 1 << 20
LEVEL = 3


def compressor() -> zstandard.ZstdCompressor:
    """Return what makes one frame that is checked when it is read."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)


def compress(source: BinaryIO, size: int, target: Path) -> None:
    """Compress the first `size` bytes into one frame that tells its size, or all there are if fewer."""
    left = size
    try:
        with target.open("wb") as stream, compressor().stream_writer(stream, size=size) as writer:
            while left and (chunk := source.read(min(left, MIB))):
                left -= writer.write(chunk)
    except zstandard.ZstdError:
        if not left:
            raise
        source.seek(0)  # it was cut meanwhile
        with target.open("wb") as stream:
            compressor().copy_stream(source, stream)


def decompress(source: BinaryIO, target: Path, limit_bytes: int | None, name: str) -> int:
    """Decompress one frame into a new file and return its size."""
    written = 0
    with target.open("xb") as stream:
        for chunk in decompressed(source, name):
            written += len(chunk)
            if limit_bytes is not None and written > limit_bytes:
                raise LimitError(f"The capture is larger than allowed: {name!r} passes the limit.")
            stream.write(chunk)
    return written


def decompressed(source: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what is in one frame, a MiB at a time at most. Raises FormatError when it is damaged."""
    written = 0
    try:
        header = source.read(18)
        expected = zstandard.frame_content_size(header)
        reader = zstandard.ZstdDecompressor().stream_reader(_Again(header, source))  # type: ignore[arg-type]
        while chunk := reader.read(MIB):
            written += len(chunk)
            yield chunk
    except zstandard.ZstdError as error:
        raise FormatError(f"The raw file {name!r} is damaged ({error}).") from error
    if expected not in (-1, written):
        raise FormatError(f"The raw file {name!r} is damaged ({written} bytes of {expected}).")


class _Again:
    """A stream whose beginning was read already, and which may not be able to go back."""

    def __init__(self, beginning: bytes, stream: BinaryIO) -> None:
        self._beginning = beginning
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Return the beginning, then what follows."""
        beginning, self._beginning = self._beginning, b""
        return beginning or self._stream.read(size)


def inside(folder: Path, name: str) -> Path:
    """Return the path of a raw file. Raises FormatError for one outside the folder."""
    foreign = set("\\:") if os.name == "nt" else set()
    if "\0" in name or foreign & set(name) or any(part in ("", ".", "..") for part in name.split("/")):
        raise FormatError(f"The raw file {name!r} would lie outside the capture's folder.")
    return folder / name
