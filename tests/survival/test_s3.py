"""A recording goes from end to end through a real S3 server over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from ..lab import Lab, first_line, kill
from .conftest import PROGRAM


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Start a server that speaks S3, on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(
                urllib.request.Request(f"{url}/recordings", method="PUT"), timeout=5
            ).read()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    server.kill()
    server.wait()


def use(lab: Lab, endpoint: str, store: str) -> None:
    """Have a lab record to the server."""
    lab.environment.update(
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_DEFAULT_REGION="us-east-1",
        PROFILERKIT_STORE=store,
    )


def let_in(endpoint: str, requests: int) -> None:
    """Have the server ask for valid credentials after so many requests."""
    ask = urllib.request.Request(
        f"{endpoint}/moto-api/reset-auth", str(requests).encode(), {"Content-Type": "text/plain"}
    )
    urllib.request.urlopen(ask, timeout=10).read()


@pytest.mark.slow
def test_wrong_credentials_lose_nothing(lab: Lab, endpoint: str) -> None:
    """What the server refuses stays in the spool with the reason, and arrives when it is let in."""
    use(lab, endpoint, "s3://recordings/closed")
    let_in(endpoint, 0)
    try:
        assert lab.start("-q", "-p", "memray", "-p", "resources", "-c", "print(1)").wait(60) == 0
        lab.wait_until(lambda: any((each / "watcher.log").read_text() for each in lab.spools()))
        refused = lab.command("list")
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
        assert "s3://recordings/closed" in refused.stderr
        assert len(lab.spools()) == 1
    finally:
        let_in(endpoint, 1_000_000)
    lab.wait_shipped(120)
    assert [each["status"] for each in lab.list()] == ["complete"]


@pytest.mark.slow
def test_recordings_on_s3(lab: Lab, endpoint: str) -> None:
    """A finished and a killed run are shipped to S3, listed and read from there, and leave no spool."""
    use(lab, endpoint, "s3://recordings/team")
    assert lab.start("-q", "-p", "memray", "-p", "resources", "-c", "x = [bytearray(10**6)]").wait(60) == 0
    process = lab.start("-q", "-p", "memray", "-p", "resources", lab.script(PROGRAM.format(extra="")).name)
    first_line(process)
    time.sleep(1)
    kill(process)
    lab.wait_shipped()
    assert [each["status"] for each in lab.list()] == ["interrupted", "complete"]
    assert lab.show()["hot"]["memray"][0]["self"] > 500_000
    assert b"<html" in lab.command("report", "latest", "memray.flamegraph").stdout.encode()[:1000].lower()
    assert not lab.store.exists()
