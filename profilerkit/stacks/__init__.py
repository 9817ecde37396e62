"""Work on readings: totals, hot functions, pruning, and the reports that fit every profiler."""

from __future__ import annotations

from profilerkit.stacks.fold import HotRow, hot, own_hot
from profilerkit.stacks.names import printable
from profilerkit.stacks.units import format_value

__all__ = ["HotRow", "format_value", "hot", "own_hot", "printable"]
