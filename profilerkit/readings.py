"""Have a capture's reading made by its backend, in a limited subprocess."""

from __future__ import annotations

from pathlib import Path

import attrs

from profilerkit import plugins, process
from profilerkit.errors import CaptureError, LimitError, UsageError
from profilerkit.limits import Limits, run_job
from profilerkit.model import Capture, Recording, Status
from profilerkit.reading import Reading
from profilerkit.readingjson import MOST_BYTES, reading_from_bytes


def make_reading(
    recording: Recording, capture: Capture, folder: Path, scratch: Path, limits: Limits | None = None
) -> Reading:
    """Return the reading of the raw files in `folder`; `scratch` is an empty folder for the work.

    Raises CaptureError, or LimitError, when the capture cannot be read.
    """
    if capture.status in (Status.SKIPPED, Status.FAILED):
        raise CaptureError(f"{capture.profiler} recorded nothing: {capture.error}")
    target = scratch / f"{capture.profiler}.json"
    run_job(
        {
            "do": "read",
            "entry": _reader(capture),
            "folder": str(folder),
            "options": dict(capture.options),
            "versions": dict(capture.versions),
            "roots": dict(recording.roots),
            "started_at": recording.started_at.isoformat(),
            "interrupted": capture.status is not Status.COMPLETE,
            "elsewhere": was_elsewhere(recording),
            "target": str(target),
        },
        limits,
    )
    try:
        if target.stat().st_size > MOST_BYTES:
            raise LimitError(f"The reading of {capture.profiler} is larger than {MOST_BYTES >> 20} MiB.")
        return reading_from_bytes(target.read_bytes())
    except OSError as error:
        raise CaptureError(
            f"The reading of {capture.profiler} could not be taken over ({error.strerror})."
        ) from error
    finally:
        target.unlink(missing_ok=True)


def _reader(capture: Capture) -> str:
    """Return the class that reads a capture: the one installed here, never one that stored data names."""
    try:
        return plugins.entry(plugins.PROFILERS, capture.profiler)
    except UsageError as error:
        raise CaptureError(
            f"The profiler {capture.profiler!r} is not installed here, so its capture cannot be read.",
            "Install the distribution that recorded it.",
        ) from error


def was_elsewhere(recording: Recording) -> bool:
    """Tell whether this is not the place that recorded: the same boot of a machine, the same container."""
    recorded = recording.process
    return recorded is None or not process.is_here(attrs.asdict(recorded))


def may_keep(recording: Recording, capture: Capture) -> bool:
    """Tell whether a reading made here is to be kept: it may be a lesser one than its place would give."""
    return capture.portable or not was_elsewhere(recording)


def reading_name(capture: Capture, revision: int) -> str:
    """Return the name under which a reading is kept: another reader or another capture, another name.

    Where another reader could not make it again, it has the same name for every reader.
    """
    from profilerkit._version import __version__

    return f"{__version__ if capture.portable else 'any'}-{revision}"


def merged_summary(usage: dict[str, float | None], readings: dict[str, Reading]) -> dict[str, float | None]:
    """Return a recording's summary numbers.

    Where several profilers give the same number the one that knows best wins: `resources` sees the
    process tree and the kernel's peaks, then the others by name, then the process's own count.
    """
    merged: dict[str, float | None] = dict(usage)
    for name in sorted(readings, key=lambda each: (each == "resources", each)):
        merged.update({key: value for key, value in readings[name].summary.items() if value is not None})
    return merged
