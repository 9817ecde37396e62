"""Send what was made: as part of a page of ours, in a sandbox, or as a file to keep."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from profilerkit.errors import NotFoundError

BLOCK_BYTES = 256 << 10
PRIVATE = {"Cache-Control": "private, no-store"}
_PLAIN = re.compile(r"[^A-Za-z0-9._ ()+-]")


def attachment(filename: str) -> dict[str, str]:
    """Return the headers that make a browser keep a file under a name, whatever is in the name."""
    name = filename.replace("/", "_").replace("\\", "_")
    plain = _PLAIN.sub("_", name).strip(". ")[:150] or "file"
    coded = quote(name[:150], safe="", errors="replace")
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}"}


def packed(request: Request, path: Path, *, media_type: str, headers: dict[str, str]) -> Response:
    """Send a file that lies compressed, without taking it into memory."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise NotFoundError("What was made is gone meanwhile.", "Ask for it again.") from None
    sent = {**PRIVATE, **headers, "Vary": "Accept-Encoding"}
    if _takes_gzip(request):
        sent["Content-Encoding"] = "gzip"
        sent["Content-Length"] = str(path.stat().st_size)
        return StreamingResponse(_blocks(stream), media_type=media_type, headers=sent)
    return StreamingResponse(_blocks(stream, unpack=True), media_type=media_type, headers=sent)


def _blocks(stream: BinaryIO, *, unpack: bool = False) -> Iterator[bytes]:
    with stream:
        source = gzip.GzipFile(fileobj=stream) if unpack else stream
        while block := source.read(BLOCK_BYTES):
            yield block


def _takes_gzip(request: Request) -> bool:
    for each in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = each.strip().partition(";")
        if name.lower() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
