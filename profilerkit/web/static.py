"""Serve the files that are part of the app, each for as long as this version lasts."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from profilerkit.web.gate import SPEEDSCOPE_POLICY
from profilerkit.web.site import site_of

FOLDER = Path(__file__).with_name("static")
SPEEDSCOPE = "vendor/speedscope/"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".png": "image/png",
    ".ico": "image/x-icon",
}
"""By suffix: what the system says of a type is not to be relied on, and `nosniff` takes it at its word."""

router = APIRouter()
_files = StaticFiles(directory=FOLDER)


@router.get("/static/{version}/{path:path}", include_in_schema=False)
async def file(request: Request, version: str, path: str) -> Response:
    """Return one of our own files; the version in its address only keeps caches apart."""
    found = await _files.get_response(path, request.scope)
    suffix = Path(path).suffix
    if suffix in TYPES:
        text = suffix in (".js", ".css", ".svg", ".html", ".json")
        found.headers["Content-Type"] = TYPES[suffix] + ("; charset=utf-8" if text else "")
    found.headers["Cache-Control"] = "no-cache"
    if path.startswith(SPEEDSCOPE):
        ancestors = site_of(request).hosting.frame_ancestors
        found.headers["Content-Security-Policy"] = SPEEDSCOPE_POLICY.format(ancestors=ancestors)
    return found
