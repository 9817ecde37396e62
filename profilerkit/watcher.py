"""Watch a recorded process from outside: signs of life, death, limits, checkpoints, and see it shipped.

Runs as a process of its own by its path, isolated, without `site`: standard library only, and what
the profilers that run outside bring along. The recorded process is never its parent nor its child.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    os.setsid()
    # A pidfd may come as descriptor 3; everything else that was inherited would keep pipes open.
    os.closerange(4, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 1 << 20 else 1 << 16)
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import contextlib
import json
import select
import socket
import time
from pathlib import Path
from typing import Any

from profilerkit import evidence, process, spool
from profilerkit.outside import OutsideProfilers
from profilerkit.quotas import Quotas
from profilerkit.shipping import Shipper
from profilerkit.state import time_since_start, utc

TICK_SECONDS = 1.0
FIRST_CHECKPOINT_SECONDS = 1.5
PATIENCE_SECONDS = 15 * 60.0
"""How long an unreachable store is tried before the spool is left to recovery."""


class Watcher:
    """Look after one spool until it is shipped."""

    def __init__(self, hello: dict[str, Any], link: socket.socket, pidfd: int | None) -> None:
        self.hello = hello
        self.spool = Path(hello["spool"])
        self.link = link
        self.pidfd = pidfd
        self.recorded = hello["recorded"]
        self.settings = hello["settings"]
        self.quotas = Quotas(self.spool, self.settings)
        self.began = time.monotonic()
        self.goodbye = self.over = False
        self.link_open = True
        self.outside = OutsideProfilers(self.spool, self.recorded, self.warn)
        self.shipper = Shipper(hello)
        session = spool.read_json(self.spool / spool.SESSION) or {}
        self.session = session
        self.cgroup = session.get("cgroup")
        self.ooms = process.oom_kills(self.cgroup)
        self.state: dict[str, Any] = {
            "watcher_pid": os.getpid(),
            "alive_at": now(),
            "died_at": None,
            "exit_status": None,
            "evidence": [],
            "warnings": [],
            "profilers": self.outside.states,
        }
        self.next_checkpoint = FIRST_CHECKPOINT_SECONDS
        self.asked_at: float | None = None
        self.limited: set[str] = set()
        self.executed = False
        self.crowded = False

    # -- the life of a watcher -------------------------------------------------------------------

    def run(self) -> None:
        """Watch until the process says goodbye or dies, then see the spool shipped."""
        for choice in self.hello["outside"]:
            self.outside.start(choice)
        self.write()
        while not self.ended():
            self.wait(TICK_SECONDS if self.asked_at else min(TICK_SECONDS, self.until_checkpoint()))
            if not self.ended():
                self.tick()
        self.over = True
        self.outside.stop_all()
        if not self.goodbye:
            self.note_death()
        self.write()
        self.shipper.request(final=True)
        self.shipper.finish(PATIENCE_SECONDS)

    def ended(self) -> bool:
        """Tell whether the recording is over: by its word, by its file, or because the process is dead."""
        alive = self.alive()
        # A goodbye that was sent just before the end may not be read yet.
        while not alive and self.link_open and select.select([self.link], [], [], 0)[0]:
            self.receive()
        if not self.goodbye and (not alive or not self.link_open):
            session = spool.read_json(self.spool / spool.SESSION) or {}
            self.goodbye = session.get("phase") == "ended"
        return self.goodbye or not alive

    def alive(self) -> bool:
        """Tell whether the recorded process lives."""
        if self.pidfd is None:
            return process.is_alive(self.recorded)
        return not select.select([self.pidfd], [], [], 0)[0] and process.is_alive(self.recorded)

    def until_checkpoint(self) -> float:
        """Return the seconds until there is something to do."""
        return max(0.0, self.next_checkpoint - (time.monotonic() - self.began))

    def wait(self, seconds: float) -> None:
        """Sleep until a message comes, the process ends, or the time is over."""
        watched: list[Any] = [self.link] if self.link_open else []
        if self.pidfd is not None:
            watched.append(self.pidfd)
        ready, _, _ = select.select(watched, [], [], seconds)
        if self.link in ready:
            self.receive()

    def receive(self) -> None:
        """Take in what the session says. The link's end alone means nothing: look for yourself."""
        messages, self.link_open = read_messages(self.link)
        for message in messages:
            if message.get("say") == "goodbye":
                self.part(message)
            elif message.get("say") == "checkpointed" and self.asked_at is not None:
                self.checkpointed()

    def part(self, goodbye: dict[str, Any]) -> None:
        """Take the session's last words, and write them where it could not: it may be another user by now."""
        self.goodbye = True
        session = spool.read_json(self.spool / spool.SESSION) or {}
        words = goodbye.get("ended") or {}
        if session.get("phase") == "ended" or not words:
            return
        for name, state in words.pop("profilers", {}).items():
            session["profilers"][name].update(state)
        with contextlib.suppress(OSError):
            spool.write_json(self.spool / spool.SESSION, {**session, **words}, last=True)

    def tick(self) -> None:
        """Do what is due while the process lives."""
        self.shipper.poll()
        self.look_for_exec()
        self.keep_limits()
        if not self.crowded and (process.memory_share(self.cgroup) or 0.0) > 0.9:
            self.crowded = True
            self.note(evidence.piece("container_memory", "the container passed 90 % of its memory limit"))
            self.next_checkpoint = 0.0
        if self.asked_at is not None:
            if time.monotonic() - self.asked_at > 5.0:
                self.warn("a checkpoint took over 5 s: what is on disk was shipped as it was")
                self.checkpointed()
        elif self.until_checkpoint() == 0.0:
            self.checkpoint()

    # -- checkpoints -----------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Have the profilers inside make their files readable; ship when they say that they have."""
        self.outside.checkpoint()
        interval = float(self.settings["checkpoint_interval"])
        passed = time.monotonic() - self.began
        self.next_checkpoint = passed + min(interval, max(FIRST_CHECKPOINT_SECONDS, passed))
        self.asked_at = time.monotonic()
        inside = self.hello["inside"] and self.link_open
        if not inside or not self.send({"do": "checkpoint"}):
            self.checkpointed()

    def checkpointed(self) -> None:
        """Ship what there is."""
        self.asked_at = None
        self.state["alive_at"] = now()
        self.write()
        self.shipper.request(final=False)
        self.shipper.poll()

    # -- limits ----------------------------------------------------------------------------------

    def keep_limits(self) -> None:
        """Stop the profilers that have no more room on disk."""
        names = [name for name in self.names() if name not in self.limited]
        for name, reason in self.quotas.exceeded(names):
            self.stop_at_limit(name, reason)

    def names(self) -> list[str]:
        """Return the names of all profilers that have a capture here."""
        try:
            return sorted(os.listdir(self.spool / spool.CAPTURES))
        except OSError:
            return []

    def stop_at_limit(self, name: str, reason: str) -> None:
        """Stop one profiler for good; the program and the others go on."""
        self.limited.add(name)
        if name in self.outside:
            self.outside.stop(name, reason=reason)
            self.write()
        else:
            self.send({"do": "stop", "profiler": name, "reason": reason})

    # -- evidence --------------------------------------------------------------------------------

    def look_for_exec(self) -> None:
        """Notice that the process has executed another program: captures inside ended there."""
        if not self.executed and process.other_program(self.recorded):
            self.executed = True
            self.note(evidence.piece("executed", "another program was executed in its place"))

    def note_death(self) -> None:
        """Write down what is known of how the process ended."""
        self.state["died_at"] = time_since_start(self.session) if "clock" in self.session else now()
        status = evidence.wait_status(self.pidfd, int(self.recorded["pid"]))
        self.state["exit_status"] = status
        self.note(evidence.of_death(status), *evidence.of_oom(self.ooms, process.oom_kills(self.cgroup)))

    def note(self, *found: evidence.Found) -> None:
        """Add evidence to the recording."""
        self.state["evidence"] += found
        self.write()

    def warn(self, text: str) -> None:
        """Add a warning to the recording, once."""
        if text not in self.state["warnings"]:
            self.state["warnings"].append(text)
            self.write()

    def write(self) -> None:
        """Write what is known; a full or vanished disk stops nobody."""
        try:
            spool.write_json(self.spool / spool.WATCHER, self.state, last=self.over)
        except OSError as error:
            print(f"{now()} cannot write to the spool: {error}", file=sys.stderr)  # noqa: T201 - its log

    def send(self, message: dict[str, Any]) -> bool:
        """Ask the session for something; tell whether it could be asked."""
        try:
            self.link.sendall(json.dumps(message).encode() + b"\n", getattr(socket, "MSG_NOSIGNAL", 0))
        except OSError:
            return False
        return True


def now() -> str:
    """Return the time as RFC 3339 in UTC."""
    return utc(time.time())


def read_messages(link: socket.socket) -> tuple[list[dict[str, Any]], bool]:
    """Return the whole messages that have come, and whether the link is still open."""
    received = b""
    while not received.endswith(b"\n"):
        try:
            part = link.recv(1 << 16)
        except OSError:
            part = b""
        if not part:
            return [json.loads(line) for line in received.split(b"\n")[:-1]], False
        received += part
    return [json.loads(line) for line in received.splitlines()], True


def take_spool(folder: Path) -> bool:
    """Take the spool's lock for the rest of our life; tell whether no other watcher has it.

    Whoever looks for orphans holds it for a moment, so one refusal means nothing.
    """
    for _ in range(20):
        if spool.lock(folder / spool.LOCK) is not None:
            return True
        time.sleep(0.05)
    return False


def main() -> None:
    """Run the watcher that a recorded process has launched: the link is standard input."""
    os.chdir("/")
    link = socket.socket(fileno=0)
    link.settimeout(10.0)
    messages, still_open = read_messages(link)
    link.settimeout(5.0)
    if not messages or messages[0].get("say") != "hello":
        return
    hello, *rest = messages
    sys.path += [each for each in hello["sys_path"] if each not in sys.path]
    if not take_spool(Path(hello["spool"])):
        return
    watcher = Watcher(hello, link, 3 if hello["pidfd"] else None)
    watcher.link_open = still_open
    for each in rest:
        if each.get("say") == "goodbye":
            watcher.part(each)
    watcher.run()


if __name__ == "__main__":
    main()
