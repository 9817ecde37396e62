"""Read what memray wrote, of complete and of interrupted recordings, into a neutral reading.

Two passes over the file: one finds the peak and the samples of memory, one the stacks at the peak.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profilerkit.errors import CaptureError, ProfilerKitError
from profilerkit.interfaces import CaptureFiles, Source
from profilerkit.reading import UNKNOWN_ROOT, Metric, Reading, StackBuilder, StackTree, is_launcher
from profilerkit_memray.profiler import CAPTURE, GAVE_UP, NOTES
from profilerkit_memray.samples import samples_of

if TYPE_CHECKING:
    from memray import AllocationRecord, FileReader

MAGIC = b"memray\0"
TRAILER = b"\1"
"""What memray writes last; space that it had reserved follows as zeros."""
SMALLEST_SAMPLE_BYTES = 3
"""A sample of memory takes at least this much of a file."""
WORTH_A_NOTE = 0.1
"""The share of the peak without Python stack from which on the reading says so, …"""
WORTH_A_NOTE_BYTES = 1 << 20
"""… if it is more than this: Python itself needs some."""
SILENCE_SECONDS = 2.0
"""memray samples every 10 ms; when it was silent this long before it was stopped, it had given up."""

CHUNK_BYTES = 1 << 20
METRICS = (Metric("heap_at_peak", "bytes"), Metric("allocations_at_peak", "count"))
UNKNOWN_STACK = "<unknown stack>"
NATIVE_ROOT = {"native": "<native>"}
NATIVE_PREFIX = "<native>/"
"""What stands before the file names of native frames, for the builder alone to see."""
NATIVE_ELSEWHERE = (
    "the stacks are missing: they are native ones, whose names can be resolved on the machine that recorded "
    "only, and were not resolved there"
)


def read_capture(capture: CaptureFiles) -> Reading:
    """Return the reading of a capture. Raises CaptureError when there is nothing to read."""
    with opened(capture.folder, capture.versions) as reader:
        metadata = reader.metadata
        origin = (capture.started_at or metadata.start_time).timestamp()
        samples = samples_of(reader, origin)
        # Going through the records, memray opens the libraries that a native capture names: elsewhere those
        # are others, or anything.
        elsewhere = metadata.has_native_traces and capture.elsewhere
        stacks = None if elsewhere else _stacks(reader, capture)
    path = capture.folder / CAPTURE
    lasted_seconds = (metadata.end_time - metadata.start_time).total_seconds()
    left = _left_notes(capture.folder)
    return Reading(
        summary={
            "peak_heap_bytes": metadata.peak_memory,
            "peak_rss_bytes": samples.peak_rss_bytes,
            "peak_at_seconds": samples.peak_at_seconds,
            "heap_at_end_bytes": samples.last_heap_bytes,
            "allocation_events": metadata.total_allocations,
        },
        timelines=samples.timelines(),
        stacks=stacks,
        notes=(
            *left,
            *((NATIVE_ELSEWHERE,) if elsewhere else ()),
            *(() if stacks is None else _unknown_share(stacks)),
            *(
                ()
                if capture.interrupted or GAVE_UP in left
                else _gave_up(path, lasted_seconds, samples.span_seconds)
            ),
        ),
    )


def _stacks(reader: FileReader, capture: CaptureFiles) -> StackTree:
    return fold(
        reader.get_high_watermark_allocation_records(merge_threads=True),
        StackBuilder(METRICS, roots={**capture.roots, **NATIVE_ROOT}),
        native=reader.metadata.has_native_traces,
    )


@contextmanager
def opened(
    folder: Path, versions: Mapping[str, str], *, most_samples: int = 2**31 - 1
) -> Iterator[FileReader]:
    """Open a capture: one pass over it. Whatever goes wrong in the block is raised as CaptureError."""
    size_bytes = require_capture(folder)
    try:
        from memray import FileReader

        # Above its limit of samples memray thins them without regard to peaks, through a Python list.
        limit = min(size_bytes // SMALLEST_SAMPLE_BYTES + 1, most_samples)
        with FileReader(folder / CAPTURE, max_memory_records=limit) as reader:
            yield reader
    except (MemoryError, ProfilerKitError):
        raise
    except Exception as error:
        raise explained(error, versions) from error


def fold(records: Iterable[AllocationRecord], builder: StackBuilder, *, native: bool) -> StackTree:
    """Return the call tree of memray's records, which come with their stacks leaf first."""
    nodes: dict[tuple[int, int, int], int] = {}
    for record in records:
        key = (record.stack_id, record.native_stack_id, record.native_segment_generation)
        node = nodes.get(key)
        if node is None:
            stack = record.hybrid_stack_trace() if native else record.stack_trace()
            if stack:
                python = set(record.stack_trace()) if native else None
                node = nodes[key] = _node(stack, builder, python)
            else:
                node = builder.child(0, UNKNOWN_STACK, f"<{_allocator(record.allocator)}>")
        builder.add_to(node, (record.size, record.n_allocations))
    return builder.build()


def _node(
    stack: list[tuple[str, str, int]], builder: StackBuilder, python: set[tuple[str, str, int]] | None
) -> int:
    """Return the node of a stack, without the launcher's frames at its root.

    `python` are those frames of it that are not native; None stands for all. Sources of native frames
    that are under no known root are labelled `native`, for their paths are of where they were compiled.
    """
    node, in_program = 0, False
    for frame in reversed(stack):
        function, filename, line = frame
        if python is not None and frame not in python:
            if builder.frame(*frame).root == UNKNOWN_ROOT:
                filename = f"{NATIVE_PREFIX}{filename.lstrip('/')}"
        elif in_program or not is_launcher(filename):
            in_program = True
        else:
            continue
        node = builder.child(node, function, filename, line)
    return node


def _allocator(number: int) -> str:
    from memray import AllocatorType

    try:
        return AllocatorType(number).name.lower()
    except ValueError:
        return f"allocator {number}"


def require_capture(folder: Path) -> int:
    """Return the size in bytes of a file that looks like a capture; raise CaptureError for any other."""
    path = folder / CAPTURE
    try:
        status = path.lstat()
    except OSError as error:
        raise CaptureError(f"This capture has no {path.name}: memray had not begun to write.") from error
    if not stat.S_ISREG(status.st_mode):
        raise CaptureError(f"{path.name} of this capture is not a file.")
    with path.open("rb") as file:
        begin = file.read(len(MAGIC))
    if not begin.strip(b"\0"):
        raise CaptureError(f"{path.name} is empty: the recording ended before memray had written anything.")
    if begin != MAGIC:
        raise CaptureError(f"{path.name} is not a memray capture, or its beginning is damaged.")
    return status.st_size


def refuse_native_elsewhere(reader: FileReader, source: Source) -> None:
    """Raise CaptureError before memray would open libraries of another machine.

    Only a reading that was made where it was recorded has the names of native frames.
    """
    if reader.metadata.has_native_traces and source.elsewhere:
        raise CaptureError(
            "This capture has native stacks, whose names can be resolved on the machine that recorded only.",
            "Make this report there, or use memray.flamegraph, memray.tree or memray.hot, whose names were.",
        )


def explained(error: Exception, versions: Mapping[str, str]) -> CaptureError:
    """Return an error of memray's in words; `versions` are those that recorded."""
    if isinstance(error, ImportError):
        return CaptureError(
            f"Reading this capture needs memray, which cannot be imported ({error}).",
            'Install it: pip install "profilerkit[memray]"',
        )
    text = " ".join(str(error).split()) or type(error).__name__
    made_by = versions.get("memray")
    if "incompatible with this version" in text:
        mend = f"Install the one that wrote it: pip install memray=={made_by}" if made_by else None
        return CaptureError("This capture was written by another version of memray.", mend)
    return CaptureError(f"memray cannot read this capture ({text}).")


def _left_notes(folder: Path) -> tuple[str, ...]:
    try:
        notes: Any = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(str(each) for each in notes) if isinstance(notes, list) else ()


def _unknown_share(stacks: StackTree) -> Iterator[str]:
    totals = stacks.totals()
    unknown = sum(
        totals[node]
        for node, parent in enumerate(stacks.parents)
        if parent == 0 and stacks.frames[stacks.frame_ids[node]].function == UNKNOWN_STACK
    )
    if unknown > max(WORTH_A_NOTE * totals[0], WORTH_A_NOTE_BYTES):
        yield (
            f"{unknown / totals[0]:.0%} of the bytes at the peak have no Python stack: they were allocated "
            "in threads that Python did not start, or after another profiler took the profile hook"
        )


def _gave_up(path: Path, lasted_seconds: float, seen_seconds: float) -> Iterator[str]:
    """Say so when memray was stopped in order, but had not been able to write for some time.

    For where not even a note could be written; what the file shows is less than what memray knew.
    """
    stopped_in_order = lasted_seconds > 0
    silent_seconds = max(0.0, lasted_seconds - seen_seconds)
    if stopped_in_order and (silent_seconds > SILENCE_SECONDS or _last_byte(path) != TRAILER):
        yield (
            f"memray stopped recording {silent_seconds:.1f} s before its end: "
            "the disk was full, or the program closed its file"
        )


def _last_byte(path: Path) -> bytes:
    """Return the last byte of a file that is not zero."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - CHUNK_BYTES)
            file.seek(begin)
            written = file.read(end - begin).rstrip(b"\0")
            if written:
                return written[-1:]
            end = begin
    return b""
