"""Captures that name what a reader must not open, and native ones on another machine, are shown safely."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from memray_recording import HOSTILE

from profilerkit.archive import Archive
from profilerkit.errors import CaptureError
from profilerkit.limits import Limits
from profilerkit.model import Capture
from profilerkit.reading import Reading
from profilerkit.render import StoreShelf, get_reading, make_report
from profilerkit.stores import open_store
from profilerkit_memray.reader import NATIVE_ELSEWHERE
from tests.lab import Lab, opened

LIBRARY = """
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) void *inner_native(size_t size) {
    void *block = malloc(size);
    memset(block, 1, size);
    return block;
}
__attribute__((noinline)) void *outer_native(size_t size) {
    char *block = inner_native(size);
    block[0] = 2;
    return block;
}
"""

CALLER = """
import ctypes, os
library = ctypes.CDLL(os.path.abspath("libnative.so"))
library.outer_native.restype, library.outer_native.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
def python_caller():
    return library.outer_native(20_000_000)
kept = python_caller()
"""

TEXTS = ("flamegraph", "leaks", "table", "temporal", "tree", "stats", "hot", "speedscope", "flamegraph-data")
LIMITS = Limits(seconds=20)
"""What hangs fails."""


def shelf_of(lab: Lab) -> StoreShelf:
    """Return the only recording of a lab's store."""
    archive = Archive(open_store(str(lab.store)))
    (event,) = archive.recordings()
    return StoreShelf(archive, event)


def report(lab: Lab, name: str) -> str:
    """Return a report made in its subprocess, as text."""
    target = lab.folder / name
    target.unlink(missing_ok=True)
    make_report(shelf_of(lab), f"memray.{name}", target, limits=LIMITS)
    data = target.read_bytes()
    return (gzip.decompress(data) if name == "pprof" else data).decode("utf-8", "replace")


def record(lab: Lab, *arguments: str) -> None:
    """Record a program to its end, and have it shipped."""
    program = lab.start(*arguments)
    program.communicate(timeout=60)
    assert program.returncode == 0
    lab.wait_shipped()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give a recording of functions whose files are a secret, a pipe, a device and the users' list."""
    with opened(tmp_path_factory.mktemp("hostile")) as lab:
        secret, pipe = lab.folder / "secret.py", lab.folder / "pipe.py"
        secret.write_text("PASSWORD = 'hunter2'\n" * 50)
        os.mkfifo(pipe)
        record(
            lab, "-p", "memray", str(lab.script(HOSTILE)), str(secret), str(pipe), "/dev/zero", "/etc/passwd"
        )
        yield lab


@pytest.mark.parametrize("name", [*TEXTS, "pprof", "collapsed", "timeline"])
def test_files_that_a_capture_names_are_never_opened(hostile: Lab, name: str) -> None:
    """No report hangs, or has a line of what the capture names as source."""
    text = report(hostile, name)
    assert "hunter2" not in text
    assert "root:x:0" not in text
    if name != "timeline":
        assert all(file in text for file in ("secret.py", "pipe.py", "dev/zero", "etc/passwd"))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give a native recording whose library is gone: who opens it waits for ever."""
    with opened(tmp_path_factory.mktemp("native")) as lab:
        record_native(lab)
        library = lab.folder / "libnative.so"
        library.unlink()
        os.mkfifo(library)
        move_elsewhere(lab)
        yield lab


def record_native(lab: Lab) -> None:
    """Record a program that calls a library of its own."""
    if shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    command = ["gcc", "-g", "-O1", "-fno-omit-frame-pointer", "-shared", "-fPIC", "-o", "libnative.so"]
    subprocess.run([*command, str(lab.script(LIBRARY, "native.c"))], check=True, cwd=lab.folder)
    record(lab, "-p", "memray", "-o", "memray.native=true", str(lab.script(CALLER)))


def read(lab: Lab) -> tuple[Capture, Reading]:
    """Return the capture and its reading."""
    shelf = shelf_of(lab)
    (capture,) = shelf.recording.captures
    return capture, get_reading(shelf, capture)


def move_elsewhere(lab: Lab) -> None:
    """Make the recording one of another machine."""
    (path,) = lab.store.rglob("recording.json")
    recording = json.loads(path.read_bytes())
    recording["process"]["boot_id"] = "another machine's"
    path.write_text(json.dumps(recording))


def test_native_names_are_in_the_stored_reading(native: Lab) -> None:
    """The names were resolved where it was recorded, and native frames are not taken for own code."""
    shelf = shelf_of(native)
    (capture,) = shelf.recording.captures
    reading = shelf.get_reading(capture)
    assert not capture.portable
    assert reading is not None
    assert reading.stacks is not None
    functions = {frame.function: frame for frame in reading.stacks.frames}
    assert {"inner_native", "outer_native", "python_caller"} <= set(functions)
    assert functions["inner_native"].path == "native.c"
    assert functions["_PyObject_MakeTpCall"].is_own is False
    assert NATIVE_ELSEWHERE not in reading.notes


def test_show_has_the_native_names(native: Lab) -> None:
    """The recording's page names the native function that held most."""
    (row,) = [each for each in native.show()["hot"]["memray"] if each["function"] == "inner_native"]
    assert row["self"] >= 20_000_000


@pytest.mark.parametrize("name", ["hot", "speedscope", "pprof", "collapsed", "tree", "flamegraph"])
def test_reports_of_the_reading_have_the_native_names(native: Lab, name: str) -> None:
    """Elsewhere they are complete, for they look nothing up; memray's flame graph is one of them."""
    text = report(native, name)
    assert "inner_native" in text
    assert "python_caller" in text


@pytest.mark.parametrize("name", ["leaks", "table", "temporal", "stats"])
def test_other_pages_say_where_they_can_be_made(native: Lab, name: str) -> None:
    """What memray would have to resolve is refused elsewhere, in words, before any library is opened."""
    with pytest.raises(CaptureError, match=r"on the machine that recorded only.*memray\.flamegraph"):
        report(native, name)


@pytest.mark.parametrize("name", ["leaks", "table", "temporal"])
def test_pages_have_the_native_names_where_it_was_recorded(tmp_path: Path, name: str) -> None:
    """On the machine that recorded, all of memray's pages are complete."""
    with opened(tmp_path) as lab:
        record_native(lab)
        assert "inner_native" in report(lab, name)


def test_flame_graph_has_the_bytes_of_the_reading(native: Lab) -> None:
    """The page that is made of the reading has memray's own numbers."""
    page = report(native, "flamegraph")
    data = json.JSONDecoder().raw_decode(page, page.index("const packed_data = ") + 20)[0]
    values = {
        data["strings"][function]: value
        for function, value in zip(data["nodes"]["function"], data["nodes"]["value"], strict=True)
    }
    assert values["inner_native"] == values["outer_native"] == 20_000_000
    (_, reading) = read(native)
    assert data["nodes"]["value"][0] == reading.summary["peak_heap_bytes"]


def test_a_reading_made_elsewhere_has_no_stacks(native: Lab) -> None:
    """Where no reading was kept, another machine opens no library, says so, and keeps nothing."""
    (kept,) = native.store.rglob("readings/*")
    data = kept.read_bytes()
    kept.unlink()
    forget_reports(native)
    try:
        (_, reading) = read(native)
        assert reading.notes == (NATIVE_ELSEWHERE,)
        assert reading.summary["peak_heap_bytes"] > 20_000_000
        assert "heap" in report(native, "timeline")
        with pytest.raises(CaptureError, match="nothing to draw"):
            report(native, "flamegraph")
        assert [*native.store.rglob("readings/*"), *native.store.rglob("reports/*")] == []
    finally:
        kept.write_bytes(data)


def forget_reports(lab: Lab) -> None:
    """Have every report made again."""
    for folder in list(lab.store.rglob("reports")):
        shutil.rmtree(folder)
