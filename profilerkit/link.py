"""Start the watcher of this process and talk with it, in lines of JSON over a socket.

A socket, not a pipe: writing to it after the watcher's end raises no SIGPIPE, whatever the program
did with that signal. The link carries words only; neither its end nor its silence proves a death.
"""

from __future__ import annotations

import _socket as socket  # without the selectors, enums and files of `socket`
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping

from profilerkit import process, spool
from profilerkit.descriptors import identity, lowest
from profilerkit.signals import no_sigchld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WATCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "watcher.py")


class WatcherLink:
    """Our end of the link to the watcher of one recording."""

    def __init__(self, plan: Mapping[str, Any], folder: str, recorded: Mapping[str, Any]) -> None:
        self._plan = plan
        self._folder = folder
        self._recorded = recorded
        self._socket: socket.socket | None = None
        self._identity: tuple[int, int] | None = None

    def start(self) -> None:
        """Start the watcher so that it is nobody's child here, and say hello.

        Its launcher exits at once and is reaped before this returns.
        """
        ours, theirs = socket.socketpair()
        ours_fd, theirs_fd = _moved_up(ours), _moved_up(theirs)
        pidfd = process.open_pidfd(os.getpid())
        pidfd = -1 if pidfd is None else _moved_up_fd(pidfd)
        try:
            with no_sigchld():
                launcher = self._spawn(theirs_fd, pidfd)
                with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: the kernel reaped it
                    os.waitpid(launcher, 0)
        finally:
            os.close(theirs_fd)
            if pidfd >= 0:
                os.close(pidfd)
        self._socket = socket.socket(fileno=ours_fd)
        self._socket.settimeout(None)
        self._identity = identity(ours_fd)
        self.send({"say": "hello", "pidfd": pidfd >= 0, **self._hello()})

    def _spawn(self, link: int, pidfd: int) -> int:
        log = os.path.join(self._folder, spool.LOG)
        actions: list[Any] = [
            (os.POSIX_SPAWN_DUP2, link, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if pidfd >= 0:
            actions.append((os.POSIX_SPAWN_DUP2, pidfd, 3))
        # Isolated and without site: nothing of the program's environment runs in the watcher.
        argv = [sys.executable, "-I", "-S", WATCHER]
        every = {each for each in signal.valid_signals() if each not in (signal.SIGKILL, signal.SIGSTOP)}
        return os.posix_spawn(
            sys.executable, argv, os.environ, file_actions=actions, setsigmask=(), setsigdef=every
        )

    def _hello(self) -> dict[str, Any]:
        plan = self._plan
        return {
            "spool": self._folder,
            "store": plan["store"],
            "python": sys.executable,
            "sys_path": plan["sys_path"],
            "recorded": self._recorded,
            "inside": any(each["placement"] == "inside" for each in plan["profilers"]),
            "outside": [each for each in plan["profilers"] if each["placement"] == "outside"],
            "settings": plan["settings"],
        }

    def send(self, message: Mapping[str, Any]) -> bool:
        """Send one message; tell whether it went out to a watcher that still reads."""
        if not self._is_ours():
            return False
        line = json.dumps(message).encode() + b"\n"
        try:
            assert self._socket is not None
            self._socket.sendall(line, getattr(socket, "MSG_NOSIGNAL", 0))
        except OSError:
            return False
        return True

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what the watcher asks for, until the link ends."""
        pending = b""
        while self._is_ours():
            try:
                received = self._socket.recv(1 << 16) if self._socket is not None else b""
            except OSError:
                return
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)

    def close(self) -> None:
        """End the link, also for a thread of ours that waits in `messages`."""
        if self._socket is not None and self._is_ours():
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self.abandon()

    def abandon(self) -> None:
        """Close this process's copy of our end, as a forked child does; the link itself goes on."""
        if self._socket is None:
            return
        if self._is_ours():
            self._socket.close()
        else:
            self._socket.detach()
        self._socket = None

    def _is_ours(self) -> bool:
        """Tell whether our descriptor still is our socket: the program may have closed it."""
        if self._socket is None:
            return False
        try:
            return identity(self._socket.fileno()) == self._identity
        except OSError:
            return False


def _moved_up(end: socket.socket) -> int:
    return _moved_up_fd(end.detach())


def _moved_up_fd(descriptor: int) -> int:
    import fcntl

    try:
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest())
    except OSError:  # the limit of descriptors is low here
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
