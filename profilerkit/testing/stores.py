"""Check a `ResultStore`: what profilerkit relies on, races between processes and killed writers included."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from profilerkit.errors import NotFoundError, StoreError
from profilerkit.interfaces import ResultStore
from profilerkit.stores import open_store
from profilerkit.testing.races import READ_MANY, READ_VERSIONS, WRITE_FOREVER, WRITE_MANY, Race

MIB = 1 << 20
LONGEST_PART = "Az09._-%=" + "x" * 191
LONGEST_KEY = "/".join([LONGEST_PART] * 4 + ["y" * 96])
ODD_KEYS = (
    "a",
    "...",
    ".hidden",
    "%2E%2E",
    "=",
    "a=b",
    "-",
    "a%2Fb",
    "%",
    "x.tmp-1",
    "A/b.c-d_e",
    LONGEST_PART,
    LONGEST_KEY,
)
BAD_KEYS = (
    *("", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/.", "a b", "a\n", "a\0", "ä", "a\\b"),
    *("a:b", "a/*", ".tmp-1", "a/.tmp-1/b", "x" * 201, LONGEST_KEY + "yy"),
)


class StoreTests:
    """Subclass it with a fixture `store_url` that gives the URL of an empty store."""

    shared_between_processes: ClassVar[bool] = True
    """Whether several processes see the same store at once; the races are skipped otherwise."""
    race_puts: ClassVar[int] = 200
    """How often a racing process writes."""

    @pytest.fixture
    def storage_options(self) -> Mapping[str, Any]:
        """Override to open the store with options."""
        return {}

    @pytest.fixture
    def store(self, store_url: str, storage_options: Mapping[str, Any]) -> ResultStore:
        """Return the store, opened as everybody opens it."""
        return open_store(store_url, storage_options or None)

    def test_returns_the_bytes_that_were_put(self, store: ResultStore) -> None:
        """Every byte value comes back, under the key it was put."""
        data = bytes(range(256)) * 3
        store.put("a/b/c", data)
        assert data == _read(store, "a/b/c")

    def test_returns_the_file_that_was_put(self, store: ResultStore, tmp_path: Path) -> None:
        """A file is stored like bytes, and stays where it is."""
        path = tmp_path / "file"
        path.write_bytes(b"content")
        store.put("a/b", path)
        assert b"content" == _read(store, "a/b") == path.read_bytes()

    def test_keeps_an_empty_object(self, store: ResultStore, tmp_path: Path) -> None:
        """Nothing is also a content, as bytes and as a file."""
        (tmp_path / "empty").touch()
        store.put("empty/bytes", b"")
        store.put("empty/file", tmp_path / "empty")
        assert b"" == _read(store, "empty/bytes") == _read(store, "empty/file")
        assert {("empty/bytes", 0), ("empty/file", 0)} == {(each[0], each[1]) for each in store.list("")}

    def test_replaces_what_was_there(self, store: ResultStore) -> None:
        """A second put wins, a shorter one too."""
        store.put("a/b", b"first, and longer")
        store.put("a/b", b"second")
        assert _read(store, "a/b") == b"second"
        assert _keys(store, "") == ["a/b"]

    def test_a_reader_keeps_the_version_it_opened(self, store: ResultStore) -> None:
        """What is replaced while it is read is read as it was."""
        old, new = b"old." * MIB, b"new!" * MIB
        store.put("a/b", old)
        with store.open("a/b") as stream:
            beginning = stream.read(10)
            store.put("a/b", new)
            assert old == beginning + stream.read()
        assert new == _read(store, "a/b")

    def test_says_that_a_key_is_missing(self, store: ResultStore) -> None:
        """A missing object, and what is only a folder, are not found."""
        store.put("a/b", b"x")
        for key in ("nothing", "a", "a/nothing", "a/b/c"):
            with pytest.raises(NotFoundError):
                _read(store, key)

    def test_is_empty_at_first(self, store: ResultStore) -> None:
        """Listing and deleting in a store that holds nothing are fine."""
        assert _keys(store, "") == []
        assert _keys(store, "a/b") == []
        store.delete("a/b")

    def test_lists_by_the_beginning_of_keys(self, store: ResultStore) -> None:
        """A prefix is a beginning of the text, not of the parts."""
        for key in ("ab", "a/b", "a/bc/d", "a/bc/e", "a/b-", "b/a/b"):
            store.put(key, b"x")
        every = ["a/b", "a/b-", "a/bc/d", "a/bc/e", "ab", "b/a/b"]
        assert every == _keys(store, "")
        assert _keys(store, "a") == ["a/b", "a/b-", "a/bc/d", "a/bc/e", "ab"]
        assert ["a/b", "a/b-", "a/bc/d", "a/bc/e"] == _keys(store, "a/") == _keys(store, "a/b")
        assert ["a/bc/d", "a/bc/e"] == _keys(store, "a/bc") == _keys(store, "a/bc/")
        assert _keys(store, "a/bc/e") == ["a/bc/e"]
        assert [] == _keys(store, "a/bc/e/") == _keys(store, "c") == _keys(store, "B")

    def test_lists_sizes_and_times(self, store: ResultStore) -> None:
        """Every object is listed with its size, and a time with a zone if with any."""
        store.put("a/one", b"x" * 1234)
        (found,) = store.list("a/")
        assert (found.key, found.size_bytes) == ("a/one", 1234)
        assert found.modified_at is None or found.modified_at.tzinfo is not None

    def test_deletes_an_object_or_a_folder_and_nothing_else(self, store: ResultStore) -> None:
        """A prefix of a part is not a folder: deleting `a` leaves `ab`."""
        for key in ("a/b", "a/c/d", "ab", "a-", "b/a"):
            store.put(key, b"x")
        store.delete("a")
        assert _keys(store, "") == ["a-", "ab", "b/a"]
        store.delete("ab")
        store.delete("b/a")
        store.delete("nothing/here")
        assert _keys(store, "") == ["a-"]

    def test_puts_again_where_something_was_deleted(self, store: ResultStore) -> None:
        """Deleting leaves nothing that is in the way, neither folder nor listing."""
        store.put("a/b/c", b"1")
        store.delete("a/b")
        store.put("a/b", b"2")
        assert _keys(store, "") == ["a/b"]
        assert _read(store, "a/b") == b"2"

    def test_streams_a_large_object(self, store: ResultStore, tmp_path: Path) -> None:
        """20 MB go in as a file and come out in pieces."""
        data = os.urandom(MIB) * 20
        (tmp_path / "large").write_bytes(data)
        store.put("large", tmp_path / "large")
        with store.open("large") as stream:
            pieces = list(iter(lambda: stream.read(MIB), b""))
        assert data == b"".join(pieces)
        assert max(map(len, pieces)) <= MIB

    @pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
    def test_takes_any_key(self, store: ResultStore, key: str) -> None:
        """A key at the limits of what is allowed is stored, listed, read and deleted."""
        store.put(key, key.encode())
        assert [key] == _keys(store, "")
        assert key.encode() == _read(store, key)
        store.delete(key)
        assert _keys(store, "") == []

    @pytest.mark.parametrize("key", BAD_KEYS, ids=range(len(BAD_KEYS)))
    def test_refuses_what_is_no_key(self, store: ResultStore, key: str) -> None:
        """What is no key is refused by put, open and delete, and changes nothing."""
        store.put("a/b", b"x")
        for refused in (lambda: store.put(key, b"y"), lambda: _read(store, key), lambda: store.delete(key)):
            with pytest.raises((ValueError, StoreError)):
                refused()
        assert _keys(store, "") == ["a/b"]

    def test_refuses_to_list_outside(self, store: ResultStore) -> None:
        """A prefix that leads out of the store is refused."""
        for prefix in ("../", "/", "a/../../b", "a//"):
            with pytest.raises((ValueError, StoreError)):
                list(store.list(prefix))

    def test_keeps_what_was_there_when_the_file_cannot_be_read(
        self, store: ResultStore, tmp_path: Path
    ) -> None:
        """A put that fails changes nothing."""
        store.put("a/b", b"old")
        with pytest.raises((OSError, StoreError)):
            store.put("a/b", tmp_path / "missing")
        assert _read(store, "a/b") == b"old"
        assert _keys(store, "") == ["a/b"]

    def test_another_instance_sees_it_all(
        self, store: ResultStore, store_url: str, storage_options: Mapping[str, Any]
    ) -> None:
        """What one instance puts another lists and reads at once, also after it has listed before."""
        other = open_store(store_url, storage_options or None)
        assert _keys(other, "a/") == []
        store.put("a/b", b"1")
        assert _keys(other, "a/") == ["a/b"]
        store.put("a/b", b"22")
        store.put("a/c", b"3")
        assert _keys(other, "a/") == ["a/b", "a/c"]
        assert _read(other, "a/b") == b"22"

    def test_threads_use_it_together(self, store: ResultStore) -> None:
        """One instance serves several threads at once."""
        from concurrent.futures import ThreadPoolExecutor

        def use(number: int) -> bytes:
            store.put(f"threads/{number % 4}/{number}", b"%d" % number)
            return _read(store, f"threads/{number % 4}/{number}")

        with ThreadPoolExecutor(8) as pool:
            assert [b"%d" % number for number in range(40)] == list(pool.map(use, range(40)))
        assert len(_keys(store, "threads/")) == 40

    def test_lists_more_than_one_page(self, store: ResultStore) -> None:
        """1,100 objects are listed and deleted: object stores answer with 1,000 at a time."""
        from concurrent.futures import ThreadPoolExecutor

        expected = [f"pages/{number:04d}" for number in range(1100)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda key: store.put(key, b""), expected))
        assert expected == _keys(store, "pages/")
        store.delete("pages")
        assert _keys(store, "") == []

    def test_a_racing_reader_never_sees_a_torn_object(self, store: ResultStore, race: Race) -> None:
        """While one process replaces an object again and again, another reads only whole versions."""
        store.put("race/one", _version(0))
        reader = race.start(READ_VERSIONS, str(self.race_puts // 10))
        number = 0
        while number < self.race_puts or reader.poll() is None:
            number += 1
            store.put("race/one", _version(number))
        assert race.result(reader) == {"torn": 0}
        assert _version(number) == _read(store, "race/one")

    def test_two_writers_and_a_reader_lose_nothing(self, store: ResultStore, race: Race) -> None:
        """What two processes write a third lists and reads whole, and never misses again."""
        reader = race.start(READ_MANY)
        writers = [
            race.start(WRITE_MANY, name, str(self.race_puts), ready=False) for name in ("left", "right")
        ]
        for writer in writers:
            race.end(writer)
        store.put("race/stop", b"")
        found = race.result(reader)
        expected = {f"race/{name}/{number}" for name in ("left", "right") for number in range(self.race_puts)}
        assert {name: found[name] for name in ("torn", "odd", "lost")} == {"torn": 0, "odd": [], "lost": []}
        assert expected | {"race/shared", "race/stop"} == set(found["seen"]) == set(_keys(store, "race/"))
        for key in expected:
            assert _version(int(key.rpartition("/")[2])) == _read(store, key)

    def test_a_killed_writer_leaves_the_old_or_the_new(self, store: ResultStore, race: Race) -> None:
        """SIGKILL in the middle of a put leaves one whole version, and nothing else that is listed."""
        for pause in (0.01, 0.05, 0.1):
            writer = race.start(WRITE_FOREVER)
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(pause)
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait(60)
            data = _read(store, "kill/one")
            assert data in (bytes(8_000_000), b"old" * 2_666_667)
            assert [("kill/one", len(data))] == [(each.key, each.size_bytes) for each in store.list("")]
        store.put("kill/one", b"again")
        assert _read(store, "kill/one") == b"again"

    @pytest.fixture
    def race(self, store_url: str, storage_options: Mapping[str, Any]) -> Iterator[Race]:
        """Start other processes on the same store; whatever is left of them ends with the test."""
        if not self.shared_between_processes:
            pytest.skip("this store belongs to one process")
        race = Race(store_url, storage_options)
        yield race
        race.close()


def _version(number: int) -> bytes:
    return (b"%08d" % number) * (1000 + 100 * (number % 300))


def _read(store: ResultStore, key: str) -> bytes:
    with store.open(key) as stream:
        return stream.read()


def _keys(store: ResultStore, prefix: str) -> list[str]:
    return sorted(each.key for each in store.list(prefix))
