"""`prune` and `compact` do what they say, ask before they delete, and never ask a script."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from attrs import evolve

from profilerkit.archive import Archive
from profilerkit.ids import uuid7
from profilerkit.keys import recording_key
from profilerkit.model import Event, EventKind, Status, Subject
from profilerkit.stores import open_store
from tests.lab import Lab
from tests.project.test_schemas import check
from tests.store.samples import a_recording


def put(lab: Lab, days: int, name: str = "etl") -> str:
    """Store a recording that ended so many days ago; return its id."""
    archive = Archive(open_store(str(lab.store)))
    ended_at = datetime.now(timezone.utc) - timedelta(days=days, hours=1)
    recording = a_recording(
        subject=Subject("script", {"name": name}),
        status=Status.COMPLETE,
        started_at=ended_at - timedelta(seconds=5),
        ended_at=ended_at,
        alive_at=None,
        parent_id=None,
    )
    key = recording_key(recording)
    archive.store.put(f"{key}/memray/raw/f.zst", b"x" * 2048)
    brief = evolve(recording, roots={}, environment={})
    archive.journal.append(Event(uuid7(), EventKind.FINAL, brief, key, ended_at))
    return recording.id


def listed(lab: Lab) -> list[str]:
    """Return the ids that `list` has."""
    return [each["id"] for each in lab.list()]


def test_old_recordings_go_without_a_question_in_a_script(lab: Lab) -> None:
    """Nobody is asked where nobody sits; the answer tells what was freed, `list` has the rest."""
    old, young = put(lab, 40), put(lab, 10)
    dry = lab.command("prune", "--older-than", "30d", "--dry-run")
    assert dry.returncode == 0
    assert old in dry.stdout and young not in dry.stdout
    assert dry.stdout.endswith("Would delete 1 recording (2.0 KiB).\n")
    assert listed(lab) == [young, old]
    done = lab.command("prune", "--older-than", "30d")
    assert (done.returncode, done.stdout) == (0, "Deleted 1 recording (2.0 KiB).\n")
    assert listed(lab) == [young]
    assert lab.command("show", old).returncode == 1
    again = lab.command("prune", "--older-than", "30d")
    assert (again.returncode, again.stdout) == (0, "Nothing was deleted.\n")


@pytest.mark.parametrize(
    ("age", "left"), [("2w", 1), ("12h", 0), ("336h", 1), ("1.5d", 1), ("20 d", 2), ("1000w", 2)]
)
def test_ages(lab: Lab, age: str, left: int) -> None:
    """Hours, days and weeks, also parts of one."""
    put(lab, 18), put(lab, 1)
    assert lab.command("prune", "--older-than", age).returncode == 0
    assert len(listed(lab)) == left


@pytest.mark.parametrize("age", ["6m", "30", "d", "-1d", "1e3d", "1d 2h", "", "nan d"])
def test_what_is_no_age(lab: Lab, age: str) -> None:
    """Minutes neither: they would be taken for months."""
    old = put(lab, 400)
    done = lab.command("prune", "--older-than", age)
    assert done.returncode == 2
    assert "no age such as 30d, 12h or 2w. See: profilerkit prune --help" in done.stderr
    assert listed(lab) == [old]


def test_the_last_stay(lab: Lab) -> None:
    """By subject; with both options only what both let go."""
    etl = [put(lab, days) for days in (50, 40, 1)]
    other = put(lab, 60, "other")
    assert lab.command("prune", "--keep-last", "1", "--older-than", "45d").returncode == 0
    assert listed(lab) == [other, *etl[:0:-1]]
    assert lab.command("prune", "--keep-last", "1").returncode == 0
    assert listed(lab) == [other, etl[2]]


def test_without_a_rule_it_says_what_to_give(lab: Lab) -> None:
    """Nothing goes by default."""
    old = put(lab, 4000)
    done = lab.command("prune")
    assert done.returncode == 2
    assert done.stderr == (
        "profilerkit: Say which recordings may go: --older-than 30d, --keep-last 10, or both.\n"
    )
    assert lab.command("prune", "--keep-last", "0").returncode == 2
    assert listed(lab) == [old]


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x03", 1), ("\x04", 1)])
def test_a_person_is_asked(lab: Lab, answer: str, left: int) -> None:
    """On a terminal the recordings are shown first, and only yes deletes."""
    old = put(lab, 40)
    said = typed(lab, answer, "prune", "--older-than", "30d")
    assert old in said
    assert "Delete 1 recording (2.0 KiB) for good? [y/N]" in said
    assert len(listed(lab)) == left


def test_yes_and_dry_run_do_not_ask(lab: Lab) -> None:
    """On a terminal too."""
    put(lab, 40)
    assert "[y/N]" not in typed(lab, "", "prune", "--older-than", "30d", "-n")
    assert len(listed(lab)) == 1
    assert "[y/N]" not in typed(lab, "", "prune", "--older-than", "30d", "--yes")
    assert listed(lab) == []


def _on_a_terminal() -> None:
    """Make the terminal ours; a shell without job control has what it starts ignore interrupts."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def typed(lab: Lab, answer: str, *arguments: str) -> str:
    """Run a command on a terminal, answer its question, and return what stood there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "profilerkit", *arguments]
    environment = {**lab.environment, "COLUMNS": "200", "NO_COLOR": "1"}
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=lab.folder,
        start_new_session=True,
        preexec_fn=_on_a_terminal,
    ) as process:
        os.close(theirs)
        said, interrupt = "", answer == "\x03"
        while True:
            # One that comes as Python begins to read is noted, and acted on after the next: so it is here.
            while interrupt and "[y/N]" in said and not select.select([ours], [], [], 2)[0]:
                os.write(ours, b"\x03")
            if not select.select([ours], [], [], 60)[0]:
                process.kill()
                raise AssertionError(f"it hangs: {said}")
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            said += part.decode()
            if answer and "[y/N]" in said:
                os.write(ours, answer.encode())
                answer = ""
    os.close(ours)
    return said


def test_json(lab: Lab) -> None:
    """What `--json` prints is what the schema says, before and after."""
    old = put(lab, 40)
    for dry in (["--dry-run"], [], []):
        done = lab.command("prune", "--older-than", "30d", "--json", *dry)
        found = json.loads(done.stdout)
        check("prune.json", found)
        expected = [] if old not in done.stdout else [old]
        assert [each["id"] for each in found["recordings"]] == expected
        assert found["dry_run"] == bool(dry)
    assert found["size_bytes"] == 0
    put(lab, 20)
    done = lab.command("compact", "--json")
    check("compact.json", json.loads(done.stdout))
    assert json.loads(done.stdout)["copied"] == 2


def test_compact(lab: Lab) -> None:
    """The journal has fewer files, the list is the same."""
    for days in (9, 9, 20, 1):
        put(lab, days)
    before = listed(lab)
    done = lab.command("compact")
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "Compacted 2 days")
    assert listed(lab) == before
    assert len(list((lab.store / "journal").rglob("*.json"))) == 1
    again = lab.command("compact")
    assert again.stdout == "There is nothing to compact: no day that is over a week old has loose events.\n"


def test_what_was_deleted_is_told_when_the_store_fails(lab: Lab) -> None:
    """A store that refuses is an error in one line, and the exit code says so."""
    put(lab, 40)
    (lab.store / "recordings").rename(lab.folder / "elsewhere")
    (lab.store / "recordings").symlink_to(lab.folder / "elsewhere")
    done = lab.command("prune", "--older-than", "30d")
    assert done.returncode == 1
    assert done.stderr.startswith("profilerkit: ")
    assert done.stderr.count("\n") == 1
