"""Check that any name becomes a key, that no two become the same, and that nothing else is a key."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profilerkit.errors import StoreError
from profilerkit.ids import uuid7
from profilerkit.keys import (
    KEY_LENGTH,
    capture_key,
    check_prefix,
    escape,
    escape_path,
    is_key,
    is_part,
    recording_key,
    unescape,
)
from profilerkit.model import Recording, Status, Subject

ODD_NAMES = [
    *(
        "",
        ".",
        "..",
        "...",
        "/",
        "/abs",
        "../x",
        "a/../b",
        "a\\b",
        "C:\\x",
        "\0",
        "\n",
        "a\nb",
        " ",
        "~",
        "-rf",
    ),
    *("%", "%2e", "%2E", "%2e%2e", "=", "==", "a=b", ".tmp-1", "a.", ".a", "con", "NUL.txt", "nul\n"),
    *(
        "ä",
        "a\u0308",
        "\u00e4",
        "😀",
        "\ud800",
        "\udcff",
        "<script>",
        "x" * 300,
        "x" * 301,
        "😀" * 100,
        "*?[]",
    ),
]
any_name = st.text(st.characters(exclude_categories=())) | st.sampled_from(ODD_NAMES)
names = st.dictionaries(st.text(min_size=1, max_size=8), any_name, max_size=12)


def recording(subject_names: dict[str, str], recording_id: str = "") -> Recording:
    """Return a recording of a subject with these names."""
    subject = Subject("task", subject_names)
    return Recording(recording_id or uuid7(), subject, Status.RUNNING, None, datetime.now(timezone.utc))


@given(any_name)
def test_any_name_becomes_a_part_that_says_it(name: str) -> None:
    """What is not shortened can be read back exactly."""
    part = escape(name)
    assert is_part(part)
    assert unescape(part) in (name, None)
    assert unescape(part) is not None or len(name.encode("utf-8", "surrogatepass")) * 3 > 200


@given(any_name, any_name, st.integers(33, 200))
def test_two_names_never_become_the_same(one: str, other: str, limit: int) -> None:
    """Escaping is injective, also where it shortens."""
    assert (escape(one, limit) == escape(other, limit)) == (one == other)
    assert len(escape(one, limit)) <= limit


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_odd_names_are_parts(name: str) -> None:
    """None of the names that have broken others leaves its folder, or hides."""
    part = escape(name)
    assert is_part(part)
    assert not part.startswith(".")
    assert not part.endswith(".")


def test_readable_names_stay_readable() -> None:
    """Ordinary names are kept, so that a person finds them in a bucket."""
    assert escape("nightly-etl_2.py") == "nightly-etl_2.py"
    assert escape("scheduled__2026-11-14T00:00:00+00:00") == "scheduled__2026-11-14T00%3A00%3A00%2B00%3A00"
    assert escape("") == "="
    assert escape("..") == "%2E%2E"
    digest = hashlib.sha256(b"x" * 300).hexdigest()
    assert escape("x" * 300) == "x" * 167 + "=" + digest[:32]


def test_a_shortened_name_never_ends_in_half_an_escape() -> None:
    """The beginning that is kept is cut between bytes."""
    part = escape("é" * 300)
    assert re.fullmatch(r"(%C3%A9)+(%C3)?=[0-9a-f]{32}", part)
    assert len(part) <= 200


@given(names, st.sampled_from(["", "../../x", "x" * 300]))
def test_every_recording_has_a_key(subject_names: dict[str, str], recording_id: str) -> None:
    """The key of a recording, its longest file included, is a key, whatever the names are."""
    key = recording_key(recording(subject_names, recording_id))
    raw = capture_key(key, "p" * 300, "raw", escape_path("/".join(["ä" * 50] * 10)) + ".zst")
    report = capture_key(key, "p" * 300, "reports", escape("v" * 300, 120), escape("f" * 300, 100))
    assert is_key(f"{key}/recording.json")
    assert is_key(raw)
    assert is_key(report)
    assert key.startswith("recordings/task/")


def test_the_key_of_a_recording() -> None:
    """The kind, the names and the id are its parts, in order."""
    each = recording({"dag_id": "etl", "run_id": "a/b", "map_index": ""}, "0192-x")
    assert recording_key(each) == "recordings/task/etl/a%2Fb/=/0192-x"


def test_recordings_of_one_subject_have_one_folder_each() -> None:
    """Two recordings never share a folder, even of names that are shortened."""
    one, other = recording({"name": "x" * 999}), recording({"name": "x" * 999})
    assert recording_key(one).rpartition("/")[0] == recording_key(other).rpartition("/")[0]
    assert recording_key(one) != recording_key(other)


@given(st.lists(any_name, min_size=1, max_size=6), st.lists(any_name, min_size=1, max_size=6))
def test_paths_of_raw_files_are_injective(one: list[str], other: list[str]) -> None:
    """Two files of a capture never have the same key."""
    first, second = "/".join(one), "/".join(other)
    assert (escape_path(first) == escape_path(second)) == (first == second)


@given(any_name)
def test_what_is_no_key_is_told(text: str) -> None:
    """A key has the documented characters, lengths and parts, and nothing else is one."""
    documented = len(text) <= KEY_LENGTH and all(
        re.fullmatch(r"[A-Za-z0-9._%=-]{1,200}", part) and part not in (".", "..") and part[:5] != ".tmp-"
        for part in text.split("/")
    )
    assert is_key(text) == documented


def test_prefixes_of_keys() -> None:
    """What a key may begin with is no key yet."""
    for prefix in ("", "a", "a/", "a/b", "..", ".tmp-"):
        assert check_prefix(prefix) == prefix
    for prefix in ("/", "a//", "../", "a/./b", ".tmp-1/a", "ä", "a" * 901):
        with pytest.raises(StoreError):
            check_prefix(prefix)


def test_ids_sort_by_time() -> None:
    """Ids made one after the other sort so, and are UUIDs of version 7."""
    made = [uuid7() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert sorted(made, key=lambda each: each[:18]) == made
    assert {uuid.UUID(each).version for each in made} == {7}
    assert {uuid.UUID(each).variant for each in made} == {uuid.RFC_4122}
