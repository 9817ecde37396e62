"""Test the capture file: cut, damaged, foreign, thinned when it is long, and on a full disk."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profilerkit.errors import CaptureError
from profilerkit.interfaces import CaptureFiles
from profilerkit.readingjson import reading_from_json, reading_to_json
from profilerkit_resources.capture import FILE, MAX_SAMPLES, CaptureWriter, ProcessSummary, Sample
from profilerkit_resources.loading import load
from profilerkit_resources.profiler import ResourcesProfiler

from .conftest import RunProgram

MIB = 1 << 20


def sample(at_seconds: float, rss_bytes: int = 10 * MIB, cpu_seconds: float = 0.0) -> Sample:
    """Return a sample of one process."""
    return Sample(
        at_seconds=at_seconds,
        rss_bytes=rss_bytes,
        peak_rss_bytes=rss_bytes,
        own_rss_bytes=rss_bytes,
        process_peak_rss_bytes=rss_bytes,
        user_seconds=cpu_seconds,
        system_seconds=0.0,
        threads=1,
        processes=1,
        read_bytes=None,
        written_bytes=None,
        pss_bytes=None,
        container_bytes=None,
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a small capture with a line of every kind."""
    from profilerkit_resources.capture import ContainerFacts, End, FirstLook

    folder = tmp_path_factory.mktemp("capture")
    writer = CaptureWriter(folder, {"pid": 4, "started_at": "2026-01-01T00:00:00+00:00"})
    writer.note("first", FirstLook(0.1, 5 * MIB, 0.01, 0.0))
    writer.sample(sample(0.0))
    writer.note("process", ProcessSummary(4, 400, 1, "python", 0.0, 0.5, 10 * MIB))
    writer.note("container", ContainerFacts(None, None, 0, 3))
    writer.sample(sample(0.5, cpu_seconds=0.3))
    writer.sample(sample(1.0, rss_bytes=12 * MIB, cpu_seconds=0.7))
    writer.note("end", End(1.0, 1.0))
    writer.close()
    return (folder / FILE).read_bytes()


def test_a_capture_cut_anywhere_gives_what_is_there(recorded: bytes, tmp_path: Path) -> None:
    """Each whole line counts, and a cut one harms nothing."""
    before = 0
    for length in range(len(recorded) + 1):
        (tmp_path / FILE).write_bytes(recorded[:length])
        found = load(tmp_path)
        assert before <= len(found.samples) <= before + 1
        before = len(found.samples)
        assert found.damaged_lines == 0
        ResourcesProfiler.read(CaptureFiles(tmp_path))
    assert before == 3


def test_a_reading_survives_its_json_form(recorded: bytes, tmp_path: Path) -> None:
    """Everything in the reading can be stored and read back."""
    (tmp_path / FILE).write_bytes(recorded)
    reading = ResourcesProfiler.read(CaptureFiles(tmp_path))
    stored = json.loads(json.dumps(reading_to_json(reading), allow_nan=False))
    assert reading_to_json(reading_from_json(stored)) == stored


@pytest.mark.parametrize(
    "content",
    [
        b"not a capture",
        b"\0" * 100,
        b"{}\n",
        b"[1,2]\n",
        b'{"kind":"something.else","format":1,"columns":[]}\n',
        b'{"kind":"profilerkit.resources","format":1}\n',
        b'{"kind":"profilerkit.resources","format":1,"columns":["at_seconds"]}\ngarbage\n[true]\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_foreign_or_damaged_file_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    """What is no capture of ours raises CaptureError."""
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(CaptureError, match=r"not a capture|damaged"):
        ResourcesProfiler.read(CaptureFiles(tmp_path))


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    """A folder without a capture raises CaptureError."""
    with pytest.raises(CaptureError, match="cannot be read"):
        ResourcesProfiler.read(CaptureFiles(tmp_path))


def test_a_newer_format_is_refused_with_the_mend(tmp_path: Path) -> None:
    """A capture of a later version says that it needs one."""
    (tmp_path / FILE).write_bytes(b'{"kind":"profilerkit.resources","format":2,"columns":[]}\n')
    with pytest.raises(CaptureError, match="Install a newer profilerkit"):
        ResourcesProfiler.read(CaptureFiles(tmp_path))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_gives_a_reading_or_a_capture_error(
    recorded: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    """Bytes that are changed, lost or doubled never raise anything else, and numbers stay possible."""
    damaged = bytearray(recorded)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        until = at + data.draw(st.integers(0, 10))
        damaged[at:until] = data.draw(
            st.sampled_from([b"", b"9" * 30, b"-", b"null", b"NaN", b"[", b"\n", b"\xff"])
        )
    (tmp_path / FILE).write_bytes(bytes(damaged))
    try:
        reading = ResourcesProfiler.read(CaptureFiles(tmp_path))
    except CaptureError:
        return
    assert all(value is None or 0 <= value < 1 << 62 for value in reading.summary.values())


def test_columns_are_found_by_their_names(recorded: bytes, tmp_path: Path) -> None:
    """A capture of another version may have more columns, or another order."""
    header, *rest = [json.loads(line) for line in recorded.splitlines()]
    header["columns"] = ["something_new", *reversed(header["columns"])]
    lines = [["x", *reversed(line)] if isinstance(line, list) else line for line in rest]
    (tmp_path / FILE).write_text("".join(json.dumps(line) + "\n" for line in [header, *lines]))
    assert [sample(0.0), sample(0.5, cpu_seconds=0.3)] == load(tmp_path).samples[:2]


def test_a_long_recording_stays_small_and_keeps_its_peaks(tmp_path: Path) -> None:
    """However many samples there are, the file is bounded, evenly spread over time, and has the peaks."""
    writer = CaptureWriter(tmp_path, {"pid": 4, "started_at": "2026-01-01T00:00:00+00:00"})
    for number in range(30_000):
        peak_bytes = 900 * MIB if number == 12_345 else 10 * MIB
        writer.sample(sample(number / 2, rss_bytes=peak_bytes, cpu_seconds=number / 4))
        if number % 3 == 0:
            writer.note("process", ProcessSummary(number, number, 1, "short", 0.0, 1.0, number))
        if writer.is_long():
            writer.thin()
    writer.close()
    found = load(tmp_path)
    assert MAX_SAMPLES // 3 < len(found.samples) <= MAX_SAMPLES + 1
    assert max(each.rss_bytes for each in found.samples) == 900 * MIB
    assert found.samples[-1].user_seconds == 29_999 / 4
    times = [each.at_seconds for each in found.samples]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 15_000 / 500
    assert 29_997 in {each.peak_rss_bytes for each in found.processes.values()}
    assert len(found.processes) <= MAX_SAMPLES + 300
    assert not (tmp_path / f"{FILE}.tmp").exists()


def test_timelines_have_at_most_two_thousand_points(tmp_path: Path) -> None:
    """A reading is small, and has the peak of each stretch that it merges."""
    writer = CaptureWriter(tmp_path, {"pid": 4, "started_at": "2026-01-01T00:00:00+00:00"})
    for number in range(MAX_SAMPLES):
        writer.sample(sample(number / 2, rss_bytes=(900 if number == 1234 else 10) * MIB))
    writer.note("first", _first_look())
    writer.close()
    reading = ResourcesProfiler.read(CaptureFiles(tmp_path))
    rss = next(each for each in reading.timelines if each.name == "rss")
    assert 1000 < len(rss.values) <= 2000
    assert max(rss.values) == reading.summary["peak_rss_bytes"] == 900 * MIB


def _first_look() -> object:
    from profilerkit_resources.capture import FirstLook

    return FirstLook(0.1, 5 * MIB, 0.0, 0.0)


def test_times_are_since_the_recording_began(recorded: bytes, tmp_path: Path) -> None:
    """The recorder starts a little later than the recording, and says so in its times."""
    from datetime import datetime, timedelta

    (tmp_path / FILE).write_bytes(recorded)
    began = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    early = ResourcesProfiler.read(CaptureFiles(tmp_path, started_at=began - timedelta(seconds=0.25)))
    wrong_clock = ResourcesProfiler.read(CaptureFiles(tmp_path, started_at=began + timedelta(days=1)))
    times = [
        next(t for t in each.timelines if t.name == "rss").times_seconds for each in (early, wrong_clock)
    ]
    assert times == [[0.25, 0.75, 1.25], [0.0, 0.5, 1.0]]


def test_a_full_disk_is_told_and_what_was_written_can_be_read(run: RunProgram) -> None:
    """When lines cannot be written the recorder goes on, says so at its end, and the rest is there."""
    program = run(
        'step("start"); time.sleep(1.0); step("slept")',
        interval_seconds=0.02,
        recorder_options=("small-disk",),
    )
    program.next_step()
    assert "The capture has gaps" in program.stop_recording()
    assert (program.folder / FILE).stat().st_size <= 1500
    reading = program.reading()
    assert (reading.summary["peak_rss_bytes"] or 0) > MIB
    assert any("cut off" in note for note in reading.notes)


@pytest.mark.parametrize("interval_seconds", [0.0, -1.0, 1e9, float("nan")])
def test_impossible_intervals_are_refused(interval_seconds: float) -> None:
    """An option that makes no sense is refused when the profiler is made."""
    with pytest.raises(ValueError, match="interval_seconds"):
        ResourcesProfiler(interval_seconds=interval_seconds)
