"""Say which answers operations have besides their own, and give the one for what is not ready."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from profilerkit.errors import CaptureError
from profilerkit.web.api.models import Making, Problem
from profilerkit.web.work import FAILED, RENDERING, State

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words}
    for status, words in (
        (400, "Something cannot be asked so."),
        (401, "Nobody knows who is asking."),
        (403, "They may not."),
        (404, "It is not there, or may not be seen."),
        (422, "A parameter is none, or a capture cannot be read."),
        (501, "Something is not installed."),
        (503, "The store cannot be read."),
    )
}
NOT_READY: dict[int | str, dict[str, Any]] = {
    202: {"model": Making, "description": "It is being made; ask again after `Retry-After` seconds."}
}


def making(state: State) -> Making:
    """Return a state as JSON has it."""
    return Making(state=state.state, seconds=round(state.seconds, 1), message=state.message)


def unready(state: State) -> Response | None:
    """Return the answer for what is not ready, None when it is. Raises CaptureError when it failed."""
    if state.state == FAILED:
        raise CaptureError(state.message or "It could not be made.")
    if state.state != RENDERING:
        return None
    body = json.dumps(making(state).model_dump())
    headers = {"Retry-After": "1", "Cache-Control": "no-store"}
    return Response(body, 202, media_type="application/json", headers=headers)
