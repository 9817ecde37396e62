"""Turn a capture into the neutral reading: peaks, CPU time, I/O, timelines, and what to know of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from profilerkit.interfaces import CaptureFiles
from profilerkit.reading import Reading, Span, Timeline
from profilerkit_resources.account import Account
from profilerkit_resources.capture import ProcessSummary, Sample, merged, same_stretch
from profilerkit_resources.loading import Recorded, load

MAX_POINTS = 2000
MAX_SPANS = 200

CORES_SECONDS = 0.2
"""The least time over which CPU use is averaged: the kernel shows it in steps of 0.01 s."""

TimelineValue = Callable[[Sample], "float | None"]


def read(capture: CaptureFiles) -> Reading:
    """Return what the capture says. Raises CaptureError when nothing of it can be read."""
    recorded = load(capture.folder)
    account = Account(recorded)
    samples = list(_thinned(recorded.samples))
    shift_seconds = _shift_seconds(recorded.started_at, capture.started_at)
    return Reading(
        summary=account.summary(),
        timelines=tuple(_timelines(samples, account, shift_seconds)),
        spans=tuple(_spans(recorded, shift_seconds)),
        notes=tuple(account.notes()),
    )


# -- timelines -----------------------------------------------------------------------------------------


def _thinned(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Yield at most `MAX_POINTS` samples with the peaks of all."""
    if not samples:
        return
    width_seconds = max(samples[-1].at_seconds, 0.001) / (MAX_POINTS - 1)
    pending = samples[0]
    for sample in samples[1:]:
        if same_stretch(pending, sample, width_seconds):
            pending = merged(pending, sample)
        else:
            yield pending
            pending = sample
    yield pending


def _timelines(samples: Sequence[Sample], account: Account, shift_seconds: float) -> Iterator[Timeline]:
    read_before, written_before = account.before("read_bytes"), account.before("written_bytes")
    parts: list[tuple[str, str, TimelineValue]] = [
        # What has died has no memory: the line ends there, and does not fall to zero.
        ("rss", "bytes", lambda each: each.peak_rss_bytes or None),
        ("threads", "count", lambda each: each.threads),
        ("processes", "count", lambda each: each.processes),
        ("container", "bytes", lambda each: each.container_bytes),
        ("pss", "bytes", lambda each: each.pss_bytes),
        ("read", "bytes", lambda each: _less(each.read_bytes, read_before)),
        ("written", "bytes", lambda each: _less(each.written_bytes, written_before)),
    ]
    if account.recorded.first is None:
        parts = [part for part in parts if part[0] in ("rss", "container")]
    else:
        yield from _cores(samples, shift_seconds)
    for name, unit, value in parts:
        points = [
            (each.at_seconds + shift_seconds, found) for each in samples if (found := value(each)) is not None
        ]
        if name == "rss":
            points = _from_start_to_end(points, account.recorded)
        if points:
            yield Timeline(name, unit, [at for at, _ in points], [found for _, found in points])


def _from_start_to_end(points: list[tuple[float, float]], recorded: Recorded) -> list[tuple[float, float]]:
    """Add what a process without descendants said of its memory where nobody looked: first and last."""
    start, end = recorded.at_start, recorded.goodbye
    if start is None or any(each.processes > 1 for each in recorded.samples):
        return points
    if start.rss_bytes and (not points or points[0][0] > 0):
        points = [(0.0, start.rss_bytes), *points]
    if points and end is not None and end.rss_bytes and end.monotonic_seconds and start.monotonic_seconds:
        end_seconds = round(end.monotonic_seconds - start.monotonic_seconds, 3)
        if end_seconds > points[-1][0]:
            points = [*points, (end_seconds, end.rss_bytes)]
    return points


def _cores(samples: Sequence[Sample], shift_seconds: float) -> Iterator[Timeline]:
    """Yield CPU time by wall time, each point for the stretch that ends there."""
    times, cores = [], []
    since = samples[0] if samples else None
    for sample in samples:
        assert since is not None
        passed_seconds = sample.at_seconds - since.at_seconds
        if passed_seconds >= CORES_SECONDS:
            used = sample.user_seconds + sample.system_seconds - since.user_seconds - since.system_seconds
            if not sample.peak_rss_bytes and used <= 0:  # dead, and what it used last is not known
                continue
            times.append(sample.at_seconds + shift_seconds)
            cores.append(round(max(0.0, used) / passed_seconds, 3))
            since = sample
    if times:
        yield Timeline("cpu", "cores", times, cores)


def _spans(recorded: Recorded, shift_seconds: float) -> list[Span]:
    """Return when which process was there, of the largest ones, when there were several."""
    if len(recorded.processes) < 2:
        return []
    largest = sorted(recorded.processes.values(), key=lambda each: -each.peak_rss_bytes)[:MAX_SPANS]

    def span(process: ProcessSummary) -> Span:
        return Span(
            name=process.command,
            track=f"process {process.pid}",
            start_seconds=process.first_seen_seconds + shift_seconds,
            end_seconds=process.last_seen_seconds + shift_seconds,
        )

    return [span(each) for each in sorted(largest, key=lambda each: each.first_seen_seconds)]


def _shift_seconds(started_at: str, recording_started_at: datetime | None) -> float:
    """Return how long after the recording the recorder began; 0 when clocks disagree."""
    if recording_started_at is None:
        return 0.0
    try:
        late = (datetime.fromisoformat(started_at) - recording_started_at).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return late if 0.0 <= late <= 60.0 else 0.0


def _less(value: float | None, before: float) -> float | None:
    return None if value is None else max(0.0, value - before)
