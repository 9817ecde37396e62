"""A file that somebody asked for is whole, or the one that was there before stays."""

from __future__ import annotations

import contextlib
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from profilerkit.bundle import write_bundle
from profilerkit.errors import ProfilerKitError
from profilerkit.outfile import replacing
from tests.store.samples import a_recording


@contextlib.contextmanager
def no_room(size_bytes: int = 100) -> Iterator[None]:
    """Let no file grow over a size for a time: a write fails as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    """And says which file it was, and what to do."""
    target = tmp_path / "report.html"
    target.write_bytes(b"before")
    with (
        no_room(),
        pytest.raises(ProfilerKitError, match=r"report\.html cannot be written \(File too large\)\. Make"),
        replacing(target, private=False) as stream,
    ):
        stream.write(b"x" * 100_000)
    with no_room(), pytest.raises(ProfilerKitError, match=r"report\.html cannot be written .*Make room"):
        write_bundle(a_recording(), (), target)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("report.html", b"before")]


def test_the_mode_is_that_of_the_older_file_or_of_any_new_one(tmp_path: Path) -> None:
    """Only what is private is its user's alone."""
    before = os.umask(0o027)
    try:
        for name in ("new", "old", "private"):
            target = tmp_path / name
            if name == "old":
                target.touch()
                target.chmod(0o604)
            with replacing(target, private=name == "private") as stream:
                stream.write(b"after")
            assert target.read_bytes() == b"after"
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "old": 0o604, "private": 0o600}


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    """As it was when the file was written over."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    with replacing(tmp_path / "link", private=False) as stream:
        stream.write(b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"after"


def test_a_pipe_is_written_to() -> None:
    """Such as `/dev/stdout`."""
    reading, writing = os.pipe()
    with replacing(Path(f"/dev/fd/{writing}"), private=False) as stream:
        stream.write(b"some")
    os.close(writing)
    with open(reading, "rb") as source:
        assert source.read() == b"some"
    with (
        pytest.raises(ProfilerKitError, match=r"/dev/full cannot be written \(No space left"),
        replacing(Path("/dev/full"), private=False) as stream,
    ):
        stream.write(b"x")
