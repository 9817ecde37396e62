"""`serve` and `open`, as a person starts them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from profilerkit.web.serving import Place as Where
from tests.lab import Lab
from tests.web.site import Place


@contextlib.contextmanager
def served(lab: Lab, *arguments: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give the address that a server prints, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "profilerkit", "serve", "--port", "0", *arguments],
        env={**lab.environment, **environment},
        cwd=lab.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def status(address: str, **headers: str) -> int:
    """Return the status code of an address."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_serve_prints_its_address_and_ends_on_ctrl_c(lab: Lab) -> None:
    """On this machine's own address nothing else is needed."""
    Place(lab.folder).put()
    with served(lab) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        assert "token" not in address
        assert status(address) == 200
        assert status(address, Host="evil.example") == 403
    assert process.returncode == 0


def test_another_address_gets_a_token_that_is_printed_once(lab: Lab) -> None:
    """Whoever does not know it gets nothing."""
    with served(lab, "--host", "0.0.0.0") as (address, process):
        port = address.rpartition(":")[2].partition("/")[0]
        assert "?token=" in address
        token = address.partition("token=")[2]
        assert len(token) >= 32
        assert status(f"http://127.0.0.1:{port}/") == 401
        assert status(f"http://127.0.0.1:{port}/", Authorization=f"Bearer {token}") == 200
    assert process.returncode == 0


def test_the_log_of_requests_has_no_token(lab: Lab) -> None:
    """With -v each address is told, less the token of a first visit."""
    with (lab.folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "profilerkit", "serve", "--port", "0", "-v", "--token", "correct-horse"],
            env=lab.environment,
            cwd=lab.folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert status(address, Cookie="x=1") == 401  # the cookie that comes with it is not sent on
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[0]
        log.seek(0)
        told += log.read()
    assert "GET /?token=…" in told
    assert "correct-horse" not in told


def test_a_token_may_be_given(lab: Lab) -> None:
    """By the environment, then also on this machine's own address; a short one is refused."""
    with served(lab, PROFILERKIT_TOKEN="correct-horse") as (address, _):
        assert address.endswith("/?token=correct-horse")
        assert status(address.partition("?")[0]) == 401
    done = lab.command("serve", "--port", "0", "--token", "short")
    assert (done.returncode, "at least 8 characters" in done.stderr) == (2, True)


def test_a_port_that_is_taken_is_told(lab: Lab) -> None:
    """With what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = lab.command("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "--port 0 takes a free one" in done.stderr


def test_open_starts_a_server_and_finds_it_again(lab: Lab) -> None:
    """The second time the one that answers is used; one of another store is not."""
    found = Place(lab.folder).put()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = lab.command("open", "latest", "--print", "--port", port)
    assert done.returncode == 0, done.stderr
    pid = int(done.stderr.strip().rpartition(" ")[2])
    try:
        assert done.stdout.strip() == f"http://127.0.0.1:{port}/recordings/{found.id}"
        assert status(done.stdout.strip()) == 200
        again = lab.command("open", found.id[:13], "--print", "--port", port)
        assert (done.stdout, "") == (again.stdout, again.stderr)
        other = lab.command("open", "latest", "--print", "--port", port, "--store", str(lab.folder / "other"))
        assert other.returncode != 0
    finally:
        os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("192.168.1.4", False), ("example.org", False), ("::", False)],
)  # fmt: skip
def test_only_loopback_addresses_are_open(host: str, expected: bool) -> None:
    """A name may resolve to anything, so it counts as reached from elsewhere."""
    assert expected == Where(host, 1).is_loopback


def test_the_command_of_the_empty_page_fills_it(lab: Lab) -> None:
    """It is run as it stands there, and then the list has a row."""
    lab.script("print('hello')", "script.py")
    site = Place(lab.folder)
    client = site.client()
    page = client.get("/")
    assert "Record the first profile" in page.text
    command = page.text.partition('data-copy="profilerkit ')[2].partition('"')[0]
    assert command.endswith("script.py")
    programs = os.path.dirname(sys.executable)
    done = subprocess.run(
        f"profilerkit {command}",
        shell=True,
        env={**lab.environment, "PATH": f"{programs}:{os.environ['PATH']}"},
        cwd=lab.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lab.wait_shipped()
    client.app.state.site.freshness._start().join()  # type: ignore[attr-defined]
    page = client.get("/")
    assert "Record the first profile" not in page.text
    assert json.loads(client.get("/api/v1/recordings").text)["total"] == 1
