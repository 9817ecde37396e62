"""Say who is looking and what they may see; a host fills `Access`, alone there are two ways."""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from profilerkit.catalog.scope import Scope
from profilerkit.errors import ProfilerKitError
from profilerkit.model import Subject

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
COOKIE_SECONDS = 30 * 24 * 3600
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessError(ProfilerKitError):
    """Somebody may not have what they asked for."""

    status: ClassVar[int] = 403


class UnauthenticatedError(AccessError):
    """Nobody knows who is asking; a browser is sent to `login_url`, where there is one."""

    status = 401

    def __init__(self, what: str, mend: str | None = None, *, login_url: str | None = None) -> None:
        super().__init__(what, mend)
        self.login_url = login_url


class ForbiddenError(AccessError):
    """It is known who is asking, and they may not."""


def _nothing(_subject: Subject) -> bool:
    return False


@frozen
class Viewer:
    """Somebody who is looking, and what they may see and do."""

    name: str
    scope: Scope
    """The subjects that they may see: everything shown is filtered by it."""
    may_see_source: Callable[[Subject], bool] = _nothing
    """Whether they may see the source code of a subject."""
    may_request: Callable[[Subject], bool] = _nothing
    """Whether they may ask for a subject to be profiled."""
    is_admin: bool = False


class Access(ABC):
    """Decide who may see what. Methods are called on worker threads, `viewer` once a request."""

    @abstractmethod
    def viewer(self, request: Request) -> Viewer:
        """Return who is asking. Raises UnauthenticatedError or ForbiddenError."""

    def answer(self, request: Request) -> Response | None:
        """Answer a request before any page does (a login, a refusal), or return None to go on.

        It is called on the event loop, so it must not block. It may raise what `viewer` raises.
        """
        return None


def everything(name: str) -> Viewer:
    """Return a viewer who may see and do everything."""
    return Viewer(
        name, Scope(everything=True), may_see_source=_anything, may_request=_anything, is_admin=True
    )


def _anything(_subject: Subject) -> bool:
    return True


class LoopbackAccess(Access):
    """Let everybody on this machine see everything, and no page of another site.

    A browser that was tricked into resolving another name to this machine (DNS rebinding) sends that
    name as Host; a page of another site sends its own Origin.
    """

    def viewer(self, request: Request) -> Viewer:
        """Return somebody who may see everything."""
        return everything("local")

    def answer(self, request: Request) -> Response | None:
        """Refuse hosts and origins that are not this machine."""
        host = request.headers.get("host", "")
        if _name(host) not in LOOPBACK_NAMES:
            raise ForbiddenError(
                f"This address is not one of this server ({host[:100]!r}).",
                "Open it as localhost, or serve with --host and a token.",
            )
        check_origin(request)
        return None


def check_origin(request: Request) -> None:
    """Refuse what a page of another site sends. Raises ForbiddenError."""
    origin = request.headers.get("origin")
    if origin is not None and _place(origin) != request.headers.get("host", ""):
        raise ForbiddenError("A page of another site asked for this.")
    site = request.headers.get("sec-fetch-site", "none")
    if request.method not in SAFE_METHODS and site not in ("same-origin", "none"):
        raise ForbiddenError("A page of another site asked for this.")


def _place(origin: str) -> str | None:
    """Return host and port of an Origin header, None when it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _name(host: str) -> str:
    """Return a Host header without its port."""
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and ":" in host else host


@frozen
class TokenAccess(Access):
    """Let those in who know a token: once as `?token=`, from then on by a cookie.

    Programs send it as `Authorization: Bearer TOKEN`.
    """

    token: str

    def viewer(self, request: Request) -> Viewer:
        """Return somebody who may see everything, if they know the token."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and _same(given.strip(), self.token)
        if not known and not _same(request.cookies.get(self._cookie(request), ""), self._sealed()):
            raise UnauthenticatedError(
                "This server wants a token.",
                "Open the address that `profilerkit serve` printed; it has ?token=… at its end.",
            )
        return everything("token")

    def answer(self, request: Request) -> Response | None:
        """Take a token out of the address and put a cookie in its place."""
        check_origin(request)
        given = request.query_params.get("token")
        if given is None or request.method != "GET" or not _same(given, self.token):
            return None
        rest = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "token"]
        path = "/" + request.url.path.lstrip("/\\")
        response = RedirectResponse(f"{path}?{urlencode(rest)}" if rest else path, status_code=303)
        response.set_cookie(
            self._cookie(request),
            self._sealed(),
            max_age=COOKIE_SECONDS,
            path=request.scope.get("root_path") or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return response

    def _cookie(self, request: Request) -> str:
        """Return a name with the port: cookies do not tell servers on one host apart."""
        return f"profilerkit-{request.url.port or 80}"

    def _sealed(self) -> str:
        return hmac.new(self.token.encode(), b"profilerkit cookie", hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
