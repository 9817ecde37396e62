"""Write a call tree as a file for pprof.

The format is that of https://github.com/google/pprof/blob/main/proto/profile.proto; its messages need
two of protobuf's kinds of field alone, so they are encoded here.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from attrs import Factory, define

from profilerkit.errors import CaptureError
from profilerkit.reading import StackTree
from profilerkit.stacks.fold import self_column
from profilerkit.stacks.names import printable, shown_file

SCALES = {"seconds": ("nanoseconds", 1e9)}
"""Values are whole numbers: what a unit becomes, and what it is multiplied by."""
LARGEST = float(1 << 63)

SAMPLE_TYPE, SAMPLE, LOCATION, FUNCTION, STRING = 1, 2, 4, 5, 6
TIME_NANOS, DURATION_NANOS, COMMENT, DEFAULT_SAMPLE_TYPE = 9, 10, 13, 14
"""Numbers of the fields of `Profile`."""


@define
class _Strings:
    """The string table: everything else names strings by their place in it."""

    places: dict[str, int] = Factory(lambda: {"": 0})

    def place(self, text: str) -> int:
        return self.places.setdefault(printable(text), len(self.places))


def write_pprof(
    tree: StackTree,
    target: BinaryIO,
    *,
    time_nanos: int = 0,
    duration_nanos: int = 0,
    comments: Iterable[str] = (),
) -> None:
    """Write the whole tree: a sample for each node that counts something, every metric in each.

    `time_nanos` is when the recording began, since 1970. Raises CaptureError when numbers are not
    finite, or too large for the format.
    """
    strings = _Strings()
    metrics = [(strings.place(metric.name), *_unit(metric.unit)) for metric in tree.metrics]
    columns = [_whole_numbers(tree, index, scale) for index, (_, _, scale) in enumerate(metrics)]
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=6, mtime=0) as file:
        for name, unit, _ in metrics:
            file.write(_block(SAMPLE_TYPE, _number(1, name) + _number(2, strings.place(unit))))
        file.writelines(_samples(tree, columns))
        file.writelines(_locations(tree, strings))
        file.write(_number(TIME_NANOS, time_nanos) + _number(DURATION_NANOS, duration_nanos))
        file.writelines(_number(COMMENT, strings.place(each)) for each in comments)
        file.writelines(_number(DEFAULT_SAMPLE_TYPE, name) for name, _, _ in metrics[:1])
        file.writelines(_block(STRING, text.encode()) for text in strings.places)


def _unit(unit: str) -> tuple[str, float]:
    return SCALES.get(unit, (unit, 1.0))


def _whole_numbers(tree: StackTree, metric: int, scale: float) -> list[int]:
    column = [value * scale for value in self_column(tree, metric)]
    if not sum(map(abs, column)) < LARGEST:
        raise CaptureError(f"There is more {tree.metrics[metric].name!r} than pprof's format can hold.")
    return list(map(round, column))


def _samples(tree: StackTree, columns: Sequence[Sequence[int]]) -> Iterator[bytes]:
    """Yield each node's stack, leaf first, as numbers of locations, which are those of frames from 1."""
    locations = [_varint(number) for number in range(1, len(tree.frames) + 1)]
    parents, frame_ids = list(tree.parents), list(tree.frame_ids)
    for leaf, values in enumerate(zip(*columns, strict=True)):
        if any(values):
            stack, node = [], leaf
            while node > 0:
                stack.append(locations[frame_ids[node]])
                node = parents[node]
            yield _block(SAMPLE, _block(1, b"".join(stack)) + _block(2, b"".join(map(_varint, values))))


def _locations(tree: StackTree, strings: _Strings) -> Iterator[bytes]:
    """Yield a location for each frame, before it its function, which all its lines share."""
    functions: dict[tuple[str, str, str], int] = {}
    for location, frame in enumerate(tree.frames, 1):
        key = (frame.function, frame.root, frame.path)
        function = functions.get(key)
        if function is None:
            function = functions[key] = len(functions) + 1
            name = strings.place(frame.function)
            file = strings.place(shown_file(frame) if frame.path else "")
            parts = (_number(1, function), _number(2, name), _number(3, name), _number(4, file))
            yield _block(FUNCTION, b"".join(parts))
        line = _block(4, _number(1, function) + _number(2, max(0, frame.line)))
        yield _block(LOCATION, _number(1, location) + line)


def _number(field: int, value: int) -> bytes:
    """Return a field that is a number; 0 is what a reader takes for one that is not there."""
    return _varint(field << 3) + _varint(value) if value else b""


def _block(field: int, content: bytes) -> bytes:
    """Return a field that is a message, a string, or a list of numbers."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first; a negative one has 64 bits."""
    number &= (1 << 64) - 1
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
