"""Stores that refuse: an S3 server that knows nobody, a disk that is full, one that is read-only."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.stack import free_port, wait_for

PASSWORD = "told-to-nobody"


@contextlib.contextmanager
def s3_that_refuses() -> Iterator[dict[str, str]]:
    """Run a server that speaks S3 and takes no key; yield the settings of a store on it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def ask(path: str, body: bytes, **more: str) -> bool:
        request = urllib.request.Request(address + path, body, {"Content-Type": "text/plain"}, **more)  # type: ignore[arg-type]
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10):
            return True
        return False

    try:
        wait_for(lambda: ask("/bucket", b"", method="PUT"), 60, "the S3 server")
        assert ask("/moto-api/reset-auth", b"0")
        yield on_s3(address)
    finally:
        server.kill()
        server.wait()


def on_s3(address: str) -> dict[str, str]:
    """Return the settings of a store at an address, through a connection of Airflow."""
    conn = {"conn_type": "aws", "login": "key", "password": PASSWORD, "extra": {"endpoint_url": address}}
    return {
        "store": "s3://bucket/prefix",
        "store_conn_id": "refusing",
        "AIRFLOW_CONN_REFUSING": json.dumps(conn),
    }


@contextlib.contextmanager
def disk(folder: Path, *, full: bool) -> Iterator[dict[str, str]]:
    """Mount a small disk, full or read-only, and yield the settings of a store on it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs root, to mount a small disk")
    try:
        if full:
            (folder / "all").write_bytes(bytes(64 << 10))
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield {"store": str(folder / "store")}
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
