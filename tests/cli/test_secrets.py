"""Secrets that a program was given are in no stored byte and in no log."""

from __future__ import annotations

from pathlib import Path

import zstandard

from tests.lab import Lab

SECRET = "hunter2-Zx81qQ"


def everything_in(folder: Path) -> bytes:
    """Return the bytes of all files and names below a folder, unpacked."""
    found = []
    for path in folder.rglob("*"):
        found.append(str(path).encode())
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".zst":
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            elif path.suffix == ".gz":
                import gzip

                data = gzip.decompress(data)
            found.append(data)
    return b"\n".join(found)


def test_no_secret_is_stored(lab: Lab) -> None:
    """A secret in the environment, the arguments, a label or a URL is nowhere: store, spool, log, output."""
    lab.environment.update(DB_PASSWORD=SECRET, AWS_SECRET_ACCESS_KEY=SECRET, MY_TOKEN=SECRET)
    script = lab.script("import sys, time; print('ready', flush=True); time.sleep(2.5)")
    process = lab.start(
        "-p", "resources", "-p", "cpu", "-p", "memray",
        "--label", f"password={SECRET}", "--label", f"dsn=postgres://me:{SECRET}@db/x",
        script.name, "--password", SECRET, f"--api-key={SECRET}", f"https://u:{SECRET}@host/?token={SECRET}",
        stderr=-1,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    lab.wait_until(lambda: any(lab.store.glob("journal/*/*running*")))
    spooled = everything_in(lab.spool)
    assert b"session.json" in spooled
    assert SECRET.encode() not in spooled
    _, words = process.communicate(timeout=60)
    assert SECRET not in words
    lab.wait_shipped()
    stored = everything_in(lab.store)
    assert b"recording.json" in stored
    assert SECRET.encode() not in stored
    assert SECRET not in lab.command("show", "latest", "-v").stdout
    labels = lab.list()[0]["labels"]
    assert set(labels) == {"password", "dsn"}


def test_no_secret_of_a_stores_url_is_stored_or_logged(lab: Lab) -> None:
    """A store's URL with credentials is kept without them, also in the log of a failing upload."""
    lab.environment.update(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    url = f"s3://AKIAEXAMPLE:{SECRET}@bucket/prefix"
    process = lab.start("-p", "resources", "--store", url, "-c", "pass", stderr=-1)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 0
    assert SECRET not in words
    lab.wait_until(lambda: any(each.read_text() for each in lab.spool.glob("*/watcher.log")))
    spooled = everything_in(lab.spool)
    assert b"bucket/prefix" in spooled
    assert SECRET.encode() not in spooled
    assert SECRET not in lab.command("list", "--store", url).stderr
