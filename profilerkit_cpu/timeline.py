"""Keep the process's CPU time over time at a bounded number of points."""

from __future__ import annotations

from array import array

MAX_POINTS = 1000


class Timeline:
    """Points of (seconds since the beginning, CPU seconds until then): thinned as they become many."""

    def __init__(self) -> None:
        self.times = array("d", [0.0])
        self.cpu = array("d", [0.0])
        self._every = 0.05

    def add(self, seconds: float, cpu_seconds: float) -> None:
        """Add a point, unless the last one is too recent."""
        if seconds - self.times[-1] < self._every:
            return
        self.times.append(seconds)
        self.cpu.append(cpu_seconds)
        if len(self.times) > MAX_POINTS:
            self.times, self.cpu = self.times[::2], self.cpu[::2]
            self._every *= 2

    def until(self, seconds: float, cpu_seconds: float) -> tuple[array[float], array[float]]:
        """Return all points, with this one as the last."""
        if seconds <= self.times[-1]:
            return self.times, self.cpu
        return self.times + array("d", [seconds]), self.cpu + array("d", [cpu_seconds])
