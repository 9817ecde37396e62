"""Stand before every page: the host's own answers, and the headers that keep a page from harm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from profilerkit.web.access import Access, AccessError

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
FOREIGN_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline' data:; img-src data: blob:; font-src data:; connect-src 'none'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors {ancestors}"
)
"""Of pages that others made: they run their scripts in an origin of their own, and reach no network."""
SPEEDSCOPE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors {ancestors}"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Gate:
    """Let a request through if the host has no answer of its own, and add headers to what comes back.

    A header that a page set itself stays.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        ancestors: str,
        refuse: Callable[[Request, AccessError], Awaitable[Response]],
    ) -> None:
        self._app = app
        self._access = access
        self._refuse = refuse
        self._headers = {**HEADERS, "Content-Security-Policy": PAGE_POLICY.format(ancestors=ancestors)}
        if ancestors in ("'self'", "'none'"):
            self._headers["X-Frame-Options"] = "SAMEORIGIN" if ancestors == "'self'" else "DENY"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope, receive)
        try:
            answer = self._access.answer(request)
        except AccessError as error:
            answer = await self._refuse(request, error)
        await (answer or self._app)(scope, receive, send_with_headers)
