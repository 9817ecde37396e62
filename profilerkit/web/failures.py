"""Turn errors into pages for people and JSON for programs, with the right status code."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from profilerkit.errors import (
    CaptureError,
    FormatError,
    NotFoundError,
    ProfilerKitError,
    StoreError,
    UnavailableError,
    UsageError,
)
from profilerkit.web.access import AccessError, UnauthenticatedError
from profilerkit.web.addresses import API
from profilerkit.web.site import Site

STATUSES: tuple[tuple[type[ProfilerKitError], int], ...] = (
    (UsageError, 400),
    (NotFoundError, 404),
    (CaptureError, 422),
    (FormatError, 422),
    (UnavailableError, 501),
    (StoreError, 503),
)
TITLES = {
    400: "That cannot be asked",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    422: "That cannot be read",
    500: "Something went wrong here",
    501: "Not installed here",
    503: "The store cannot be reached",
}
MENDS = {
    404: "It may have been deleted, or you may not see it. See which recordings there are.",
    422: None,
    503: "Try again; if it stays so, look at the settings of the store and at its service.",
}

log = logging.getLogger("profilerkit.web")


def status_of(error: ProfilerKitError) -> int:
    """Return the status code of an error."""
    if isinstance(error, AccessError):
        return error.status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def wants_json(request: Request) -> bool:
    """Tell whether a program asks."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return bool(path.startswith(f"{API}/") or path == API)


def install(app: FastAPI, site: Site) -> None:
    """Have an app answer errors in words."""

    def answer(request: Request, status: int, what: str, mend: str | None) -> Response:
        if wants_json(request):
            body = json.dumps({"error": what, "mend": mend})
            return Response(body, status, media_type="application/json")
        title = TITLES.get(status, "Something went wrong")
        return site.page(
            request, "error.html", status=status, title=title, what=what, mend=mend or MENDS.get(status)
        )

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProfilerKitError)
        if isinstance(error, UnauthenticatedError) and error.login_url and not wants_json(request):
            return RedirectResponse(error.login_url, status_code=302)
        return answer(request, status_of(error), error.what, error.mend)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        words = "There is no such page." if error.status_code == 404 else f"{error.detail}."
        found = answer(request, error.status_code, words, None)
        found.headers.update(error.headers or {})
        return found

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, 422, _invalid(error.errors()), None)

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed: %r", request.method, request.scope["path"], error)
        return answer(
            request,
            500,
            f"This should not have happened ({type(error).__name__}).",
            "The server's log says more.",
        )

    app.add_exception_handler(ProfilerKitError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)
    app.state.refuse = ours


def _invalid(errors: Any) -> str:
    found = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in errors]
    return "; ".join(found[:5]) + "."
