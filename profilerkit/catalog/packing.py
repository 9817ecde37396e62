"""Keep events small: each is compressed by what it has in common with the first one of the catalog."""

from __future__ import annotations

import zstandard
from attrs import define, field

from profilerkit.errors import FormatError
from profilerkit.journal import EVENT_BYTES

LEVEL = -1
"""The fastest of those that are worth it: a catalog is made anew in seconds, and may be larger for that."""
SAMPLE_BYTES = 1 << 14


@define
class Packer:
    """Compress and decompress events; not for several threads at once."""

    sample: bytes
    """An event like the others; what was packed with one can be unpacked with the same alone."""
    _compressor: zstandard.ZstdCompressor = field(init=False)
    _decompressor: zstandard.ZstdDecompressor = field(init=False)

    def __attrs_post_init__(self) -> None:
        shared = zstandard.ZstdCompressionDict(self.sample, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        shared.precompute_compress(level=LEVEL)
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=shared)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=shared)

    @classmethod
    def like(cls, event: bytes) -> Packer:
        """Return one for events that are like this one."""
        return cls(event[:SAMPLE_BYTES])

    def pack(self, event: bytes) -> bytes:
        """Return an event compressed."""
        return self._compressor.compress(event)

    def unpack(self, data: bytes | None) -> bytes:
        """Return an event as it was. Raises FormatError when it is damaged."""
        try:
            if not isinstance(data, bytes) or zstandard.frame_content_size(data) > 2 * EVENT_BYTES:
                raise FormatError("An event in the catalog is damaged.")
            return self._decompressor.decompress(data)
        except zstandard.ZstdError as error:
            raise FormatError(f"An event in the catalog is damaged ({error}).") from error
