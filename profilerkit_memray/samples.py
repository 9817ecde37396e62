"""Thin memray's samples of memory into a curve that keeps its peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define

from profilerkit.reading import Timeline

if TYPE_CHECKING:
    from memray import FileReader

MOST_POINTS = 2000


def samples_of(reader: FileReader, origin_seconds: float = 0.0) -> Samples:
    """Return the samples of an open capture, with times since `origin_seconds` of the epoch."""
    samples = Samples()
    for at_ms, rss_bytes, heap_bytes in reader.get_memory_snapshots():
        samples.add(max(0.0, at_ms / 1000 - origin_seconds), rss_bytes, heap_bytes)
    return samples


@define
class Samples:
    """Samples of memory over time, thinned as they come."""

    points: list[tuple[float, int, int]] = Factory(list)
    """Seconds, and the greatest RSS and heap in bytes from then to the next point."""
    peak_rss_bytes: int | None = None
    peak_at_seconds: float | None = None
    """When the sample with the greatest heap was taken."""
    last_heap_bytes: int | None = None
    last_seconds: float = 0.0
    _peak_heap_bytes: int = -1
    _stride: int = 1
    _count: int = 0

    def add(self, seconds: float, rss_bytes: int, heap_bytes: int) -> None:
        """Add one sample."""
        # A clock that was set back must not make time run backwards.
        seconds = self.last_seconds = max(round(seconds, 3), self.last_seconds)
        self.last_heap_bytes = heap_bytes
        self.peak_rss_bytes = max(rss_bytes, self.peak_rss_bytes or 0)
        if heap_bytes > self._peak_heap_bytes:
            self._peak_heap_bytes, self.peak_at_seconds = heap_bytes, seconds
        point = (seconds, rss_bytes, heap_bytes)
        if self._count % self._stride:
            self.points[-1] = _maxima(self.points[-1], point)
        else:
            self.points.append(point)
        self._count += 1
        if len(self.points) > MOST_POINTS:
            self._halve()

    @property
    def span_seconds(self) -> float:
        """Return the time from the first to the last sample."""
        return self.last_seconds - self.points[0][0] if self.points else 0.0

    def timelines(self) -> tuple[Timeline, ...]:
        """Return heap and RSS over time."""
        if not self.points:
            return ()
        times = [point[0] for point in self.points]
        return (
            Timeline("heap", "bytes", times, [point[2] for point in self.points]),
            Timeline("rss", "bytes", times, [point[1] for point in self.points]),
        )

    def _halve(self) -> None:
        even, odd = self.points[::2], [*self.points[1::2], self.points[-1]]
        self.points = [_maxima(one, other) for one, other in zip(even, odd, strict=False)]
        self._stride *= 2


def _maxima(one: tuple[float, int, int], other: tuple[float, int, int]) -> tuple[float, int, int]:
    return (one[0], max(one[1], other[1]), max(one[2], other[2]))
