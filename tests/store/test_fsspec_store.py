"""Check what is particular to stores behind fsspec: words for errors, secrets, forks, fresh listings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from profilerkit.errors import NotFoundError, ProfilerKitError, StoreError
from profilerkit.interfaces import ResultStore
from profilerkit.stores import open_store

SECRET = "Pl4nted-Secret"


def every_use(store: ResultStore) -> list[str]:
    """Return what each method says when it fails."""

    def read() -> None:
        with store.open("a/b") as stream:
            stream.read()

    said = []
    for use in (
        lambda: list(store.list("a")),
        read,
        lambda: store.put("a/b", b"x"),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreError) as caught:
            use()
        said.append(str(caught.value))
    return said


def test_a_missing_bucket_is_told(s3: str) -> None:
    """A bucket that is not there is no empty store."""
    for said in every_use(open_store("s3://no-such-bucket/x")):
        assert said.startswith("The store s3://no-such-bucket/x cannot be ")
        assert "bucket does not exist" in said
        assert "\n" not in said


def test_an_empty_bucket_is_an_empty_store(s3_bucket: str) -> None:
    """A bucket with nothing in it, and a folder that is not there, are listed as empty."""
    for url in (f"s3://{s3_bucket}", f"s3://{s3_bucket}/new/folder/"):
        store = open_store(url)
        assert list(store.list("")) == []
        with pytest.raises(NotFoundError, match="has no a/b"), store.open("a/b"):
            pass
        store.put("a/b", b"x")
        assert [each.key for each in store.list("")] == ["a/b"]
        store.delete("a")


@pytest.fixture
def forbidding_server() -> Iterator[str]:
    """Return the endpoint of a server that refuses everything, and quotes what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def refuse(self) -> None:
            self.close_connection = True
            message = f"No\nentry: {self.headers['Authorization']}"
            body = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = refuse

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_forbidden_store_is_told_without_secrets(
    forbidding_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused credentials are told in one line, which shows none of them."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = {"key": "AKIAIOSFODNN7EXAMPLE", "secret": SECRET, "endpoint_url": forbidding_server}
    store = open_store("s3://bucket/x", options)
    for said in every_use(store):
        assert said.startswith("The store s3://bucket/x cannot be ")
        assert said.endswith("Check the credentials and what they may do.")
        assert "\n" not in said
        assert "AKIA" not in said
    assert SECRET not in repr(store)


@pytest.mark.slow
def test_an_unreachable_store_is_told() -> None:
    """A server that is not there is told in one line, within the retries of s3fs."""
    options = {"key": "k", "secret": SECRET, "endpoint_url": "http://127.0.0.1:1"}
    store = open_store("s3://bucket/x", options)
    with pytest.raises(
        StoreError, match="The store s3://bucket/x cannot be read: Could not connect"
    ) as caught:
        list(store.list(""))
    assert SECRET not in str(caught.value)


def test_a_url_with_credentials_is_never_shown(s3: str) -> None:
    """Whatever is done with a store whose URL holds a password, no message repeats it."""
    store = open_store(f"s3://somebody:{SECRET}@bucket/x")
    said = every_use(store)
    assert SECRET not in "".join([*said, repr(store)])
    assert "s3://***@bucket/x" in said[0]


def test_a_wrong_option_is_told(s3: str) -> None:
    """An option that the filesystem does not know is an error in words."""
    with pytest.raises(StoreError, match="nonsense"):
        open_store("s3://bucket/x", {"nonsense": 1}).put("a", b"")


def test_an_unknown_scheme_is_told() -> None:
    """A scheme that nothing opens says so."""
    with pytest.raises(ProfilerKitError, match="opens nope:// URLs"):
        list(open_store("nope://x").list(""))


def test_a_missing_package_is_told_with_the_mend(tmp_path: Path) -> None:
    """Without s3fs the error is the command that installs it."""
    (tmp_path / "s3fs.py").write_text("raise ImportError('no s3fs here')")
    code = (
        "from profilerkit.errors import StoreError\n"
        "from profilerkit.stores import open_store\n"
        "try:\n"
        "    list(open_store('s3://bucket/x').list(''))\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.endswith(
        's3://bucket/x needs a package that is not installed: pip install "profilerkit[s3]"\n'
    )


def test_a_forked_child_opens_it_anew(s3_bucket: str) -> None:
    """A child forked from a process that has used the store reads and writes it too."""
    code = (
        "import os, sys\n"
        "from profilerkit.stores import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "store.put('parent', b'x')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    store.put('child', b'y')\n"
        "    print(sorted(each.key for each in store.list('')), flush=True)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(sorted(each.key for each in store.list('')))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, f"s3://{s3_bucket}/x"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "['child', 'parent']\n" * 2


def test_memory_is_ephemeral(tmp_path: Path, s3: str) -> None:
    """Only what is gone with the process says so."""
    stores = [open_store(url) for url in ("memory://x", str(tmp_path), "s3://bucket/x")]
    assert [store.ephemeral for store in stores] == [True, False, False]


@pytest.mark.slow
def test_a_large_upload_is_whole_and_takes_little_memory(s3_bucket: str, tmp_path: Path) -> None:
    """96 MiB go up in parts, with far less memory than the file has."""
    code = (
        "import os, resource, sys\n"
        "from pathlib import Path\n"
        "from profilerkit.stores import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "store.put('warm', b'x')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "store.put('large', Path(sys.argv[2]))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    piece = os.urandom(1 << 20)
    (tmp_path / "large").write_bytes(piece * 96)
    url = f"s3://{s3_bucket}/x"
    command = [sys.executable, "-c", code, url, str(tmp_path / "large")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 80
    with open_store(url).open("large") as stream:
        assert all(stream.read(1 << 20) == piece for _ in range(96))
        assert stream.read() == b""
