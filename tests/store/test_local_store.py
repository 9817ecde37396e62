"""Check what is particular to a store in a local folder: rights, links, leftovers, plain words."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from profilerkit.errors import NotFoundError, StoreError, UsageError
from profilerkit.localstore import LocalStore
from profilerkit.stores import open_store


def mode(path: Path) -> int:
    """Return the rights of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_store_is_for_its_user_alone(tmp_path: Path) -> None:
    """Every folder and file of a store that we made is closed to others, whatever the umask is."""
    old = os.umask(0)
    try:
        store = LocalStore(tmp_path / "store")
        store.put("a/b/c", b"x")
        (tmp_path / "file").write_bytes(b"y")
        store.put("a/d", tmp_path / "file")
    finally:
        os.umask(old)
    assert {mode(each) for each in (tmp_path / "store").rglob("*") if each.is_file()} == {0o600}
    assert {mode(each) for each in (tmp_path / "store").rglob("*") if each.is_dir()} == {0o700}
    assert mode(tmp_path / "store") == 0o700


def test_a_shared_store_stays_shared(tmp_path: Path) -> None:
    """What is made in a folder that a group may write is for that group too."""
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o2770)
    LocalStore(root).put("a/b", b"x")
    assert mode(root / "a") == 0o2770
    assert mode(root / "a" / "b") == 0o660


def test_reading_makes_nothing(tmp_path: Path) -> None:
    """Looking into a store that is not there leaves no folder."""
    store = open_store(str(tmp_path / "store"))
    assert list(store.list("")) == []
    store.delete("a")
    with pytest.raises(NotFoundError), store.open("a"):
        pass
    assert not (tmp_path / "store").exists()


def test_links_lead_nowhere_outside(tmp_path: Path) -> None:
    """A symbolic link out of the root is not listed, read, written through or deleted through."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    root = tmp_path / "store"
    store = LocalStore(root)
    store.put("a/b", b"x")
    (root / "a" / "folder").symlink_to(outside)
    (root / "a" / "link").symlink_to(outside / "file")
    (root / "dangling").symlink_to(outside / "new")
    assert [each.key for each in store.list("")] == ["a/b"]
    for key in ("a/link", "a/folder/file"):
        with pytest.raises(StoreError), store.open(key):
            pass
    for key in ("a/link", "a/folder/new", "dangling"):
        with pytest.raises(StoreError):
            store.put(key, b"y")
        with pytest.raises(StoreError):
            store.delete(key)
    store.delete("a")
    assert [each.name for each in outside.iterdir()] == ["file"]
    assert (outside / "file").read_bytes() == b"secret"


def test_a_store_may_be_reached_through_a_link(tmp_path: Path) -> None:
    """The root itself may be a link: it is what the user named."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = open_store(f"file://{tmp_path}/link")
    store.put("a/b", b"x")
    assert (tmp_path / "real" / "a" / "b").read_bytes() == b"x"
    assert [each.key for each in store.list("a")] == ["a/b"]


def test_what_is_no_object_of_ours_is_passed_over(tmp_path: Path) -> None:
    """Foreign names, devices and temporary files in the folder do not break a listing."""
    store = LocalStore(tmp_path)
    store.put("a/b", b"x")
    (tmp_path / "a" / "with space").touch()
    (tmp_path / "a" / ".tmp-1234").touch()
    (tmp_path / "a" / os.fsdecode(b"\xff\xfe")).touch()
    os.mkfifo(tmp_path / "a" / "pipe")
    assert [each.key for each in store.list("")] == ["a/b"]


def test_leftovers_of_killed_writers_go_with_the_next_file(tmp_path: Path) -> None:
    """A temporary file of a day ago is deleted, a young one may still be written."""
    store = LocalStore(tmp_path / "store")
    store.put("a/b", b"x")
    old, young = tmp_path / "store/a/.tmp-old", tmp_path / "store/a/.tmp-young"
    for each in (old, young):
        each.write_bytes(b"half")
    os.utime(old, (time.time() - 90_000,) * 2)
    (tmp_path / "file").write_bytes(b"y")
    store.put("a/c", tmp_path / "file")
    assert (old.exists(), young.exists()) == (False, True)


def test_deleting_leaves_no_empty_folders(tmp_path: Path) -> None:
    """The folders above what was deleted go too, but neither the root nor what still holds something."""
    store = LocalStore(tmp_path)
    for key in ("a/b/c/d", "a/e/f"):
        store.put(key, b"x")
    store.delete("a/b/c/d")
    assert sorted(each.name for each in (tmp_path / "a").iterdir()) == ["e"]
    store.delete("a/e")
    assert list(tmp_path.iterdir()) == []


def test_putting_and_deleting_race(tmp_path: Path) -> None:
    """A put succeeds though others delete the folders that it has just made."""
    store = LocalStore(tmp_path)
    done = threading.Event()
    errors: list[Exception] = []

    def delete() -> None:
        while not done.is_set():
            try:
                store.delete("a/b/c/d")
            except StoreError as error:
                errors.append(error)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        for number in range(100):
            store.put(f"a/b/c/e{number % 2}", b"x")
            store.delete(f"a/b/c/e{number % 2}")
    finally:
        done.set()
        thread.join()
    assert errors == []


def test_a_closed_folder_is_told_in_one_line(tmp_path: Path) -> None:
    """A store that may not be read or written says so, with its path."""
    root = tmp_path / "store"
    root.mkdir(mode=0o000)
    store = LocalStore(root)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        for use in (lambda: list(store.list("")), lambda: store.put("a", b"")):
            with pytest.raises(StoreError, match=rf"The store {root} cannot be \w+: Permission denied"):
                use()
    finally:
        os.seteuid(user)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    """A store's path that is a file is told, on reading and on writing."""
    (tmp_path / "file").touch()
    store = open_store(str(tmp_path / "file"))
    for use in (lambda: list(store.list("")), lambda: list(store.list("a/b")), lambda: store.put("a", b"")):
        with pytest.raises(StoreError, match="Not a directory") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_a_full_disk_keeps_the_old_version(tmp_path: Path) -> None:
    """Where a write fails half-way, the object stays as it was and nothing is left beside it."""
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from profilerkit.errors import StoreError\n"
        "from profilerkit.localstore import LocalStore\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "store.put('a/b', b'old')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    store.put('a/b', bytes(200_000))\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"The store {tmp_path} cannot be written: File too large.\n"
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["b"]
    assert (tmp_path / "a" / "b").read_bytes() == b"old"


@pytest.mark.parametrize(
    "url", ["", "\0", "a\0b", "file://host/path", "file://", "simplecache::s3://bucket/x"]
)
def test_what_is_no_store_is_told(url: str) -> None:
    """An empty path, a host in a file URL and a chain of schemes are refused in words."""
    with pytest.raises(UsageError):
        open_store(url)


def test_a_local_store_needs_no_fsspec(tmp_path: Path) -> None:
    """Opening, writing and listing a folder import neither fsspec nor a plugin."""
    code = (
        "import sys\n"
        "from profilerkit.stores import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "store.put('a', b'x')\n"
        "print([each.key for each in store.list('')], {'fsspec', 'stevedore'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert run.stdout == "['a'] set()\n"
