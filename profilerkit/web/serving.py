"""Serve the app alone: where it listens, who may come in, and its one process."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import socket
from urllib.parse import quote

from attrs import frozen

from profilerkit.errors import ProfilerKitError, UsageError
from profilerkit.settings import Settings
from profilerkit.web.access import Access, LoopbackAccess, TokenAccess

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
BACKLOG = 128
SHORTEST_TOKEN = 8


TOKEN = re.compile(r"(?<=[?&])token=[^&\s]*")


@frozen
class Place:
    """Where the server listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, token: str | None = None) -> str:
        """Return the address to open in a browser."""
        host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/{f'?token={quote(token)}' if token else ''}"


def access_for(place: Place, token: str | None) -> Access:
    """Return who may come in: everybody on a loopback address, else who knows the token."""
    if token is not None:
        if len(token) < SHORTEST_TOKEN:
            raise UsageError(
                f"A token has at least {SHORTEST_TOKEN} characters.", "Leave it out, and one is made."
            )
        return TokenAccess(token)
    if not place.is_loopback:
        raise UsageError(f"{place.host} is reached from elsewhere: it needs a token.")
    return LoopbackAccess()


def listen(place: Place) -> socket.socket:
    """Return a socket that listens there. Raises ProfilerKitError when that cannot be."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        raise ProfilerKitError(
            f"{place.host}:{place.port} cannot be used ({error.strerror or error}).",
            "Choose another with --host and --port; --port 0 takes a free one.",
        ) from None
    return listening


class WithoutToken(logging.Filter):
    """Keep the token of a first visit out of the log of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Blank it out in the address, and let the record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                TOKEN.sub("token=…", each) if isinstance(each, str) else each for each in record.args
            )
        return True


def serve(settings: Settings, listening: socket.socket, access: Access, *, verbose: bool = False) -> None:
    """Serve on a listening socket until a signal ends it."""
    import uvicorn

    from profilerkit.web.app import create_app

    config = uvicorn.Config(
        create_app(settings, access=access),
        log_level="info" if verbose else "warning",
        access_log=verbose,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    logging.getLogger("uvicorn.access").addFilter(WithoutToken())
    with contextlib.suppress(KeyboardInterrupt):  # that is how it is ended
        uvicorn.Server(config).run(sockets=[listening])
