"""Race real processes over one archive: two publish, one reads, and nothing is torn or lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = """
import sys, time
from attrs import evolve
from profilerkit.archive import Archive
from profilerkit.model import EventKind, Status
from profilerkit.stores import open_store
from tests.store.samples import a_recording
archive = Archive(open_store(sys.argv[1]))
end = time.monotonic() + float(sys.argv[2])
published = 0
while time.monotonic() < end or published < 30:
    recording = a_recording(status=Status.RUNNING)
    for revision in (1, 2):
        archive.publish(evolve(recording, revision=revision), EventKind.RUNNING)
    archive.publish(evolve(recording, revision=3, status=Status.COMPLETE), EventKind.FINAL)
    published += 1
    print(recording.id, flush=True)
"""
READER = """
import json, logging, sys
from pathlib import Path
from profilerkit.archive import Archive
from profilerkit.stores import open_store
problems = []
class Problems(logging.Handler):
    def emit(self, record):
        problems.append(record.getMessage())
logging.getLogger("profilerkit.archive").addHandler(Problems())
archive = Archive(open_store(sys.argv[1]))
stop = Path(sys.argv[2])
seen, lost, rounds = {}, [], 0
print("ready", flush=True)
while True:
    last = stop.exists()
    found = {event.recording.id: event for event in archive.recordings()}
    lost += [each for each in seen if each not in found or found[each].recording.revision < seen[each]]
    for event in list(found.values())[:20]:
        loaded = archive.load(event)
        if loaded.revision < event.recording.revision:
            problems.append(f"{event.recording.id} went back")
    seen = {each: event.recording.revision for each, event in found.items()}
    rounds += 1
    if last:
        break
print(json.dumps({"seen": seen, "lost": lost, "problems": problems[:9], "rounds": rounds}))
"""


def race(folder: Path, seconds: float) -> None:
    """Let two processes publish for so long, and one read all the time; check what it saw."""
    store, stop = folder / "store", folder / "stop"

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(store), *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])

    with start(READER, stop) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        with start(WRITER, seconds) as one, start(WRITER, seconds) as other:
            published = [each.communicate()[0].split() for each in (one, other)]
        stop.touch()
        output, _ = reader.communicate()
    found = json.loads(output)
    assert (one.returncode, other.returncode, reader.returncode) == (0, 0, 0)
    assert (found["problems"], found["lost"]) == ([], [])
    assert found["seen"] == dict.fromkeys([*published[0], *published[1]], 3)
    assert found["rounds"] > 1


def test_two_publishers_and_a_reader(tmp_path: Path) -> None:
    """Some dozens of recordings by two processes at once are all seen, whole, and never go back."""
    race(tmp_path, 1.0)


@pytest.mark.slow
def test_two_publishers_and_a_reader_for_long(tmp_path: Path) -> None:
    """The same for `PROFILERKIT_RACE_SECONDS`, or a minute."""
    race(tmp_path, float(os.environ.get("PROFILERKIT_RACE_SECONDS", "60")))
