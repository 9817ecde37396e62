"""Test how long the recorder rests between looks."""

from __future__ import annotations

from profilerkit_resources.capture import TreeNumbers
from profilerkit_resources.recorder import BUSY_SECONDS, CREDIT_SECONDS, REST, SHORTEST_SECONDS, Pace

MIB = 1 << 20


def numbers(rss_bytes: int) -> TreeNumbers:
    """Return the numbers of one process of this size."""
    return TreeNumbers(rss_bytes, rss_bytes, rss_bytes, rss_bytes, 0.0, 0.0, 1, 1, None, None)


def rests(pace: Pace, sizes_bytes: list[int], cost_seconds: float, start_seconds: float = 0.0) -> list[float]:
    """Return the rest after each look."""
    passed_seconds, found = start_seconds, []
    for size_bytes in sizes_bytes:
        found.append(pace.rest_seconds(numbers(size_bytes), passed_seconds, cost_seconds))
        passed_seconds += found[-1]
    return found


def test_looks_are_dense_at_first_and_settle() -> None:
    """While nothing moves, rests grow from the shortest to the interval of the options."""
    found = rests(Pace(0.5), [100 * MIB] * 60, cost_seconds=0.0)
    assert found[0] == SHORTEST_SECONDS
    assert found == sorted(found)
    assert found[-1] == 0.5
    assert sum(each for each in found if each < 0.5) < 5.0


def test_memory_that_moves_is_looked_at_more_often() -> None:
    """Growth halves the rest, down to a tenth of a second."""
    pace = Pace(0.5)
    rests(pace, [100 * MIB] * 60, cost_seconds=0.0)
    found = rests(pace, [size * 100 * MIB for size in range(2, 12)], cost_seconds=0.0, start_seconds=60.0)
    assert found[0] == 0.25
    assert found[-1] == BUSY_SECONDS


def test_dear_looks_are_paid_for_by_rest() -> None:
    """In the long run the CPU time of looks stays below its share, whatever they cost."""
    for cost_seconds in (0.001, 0.01, 0.2):
        found = rests(Pace(0.5), [size * 100 * MIB for size in range(1, 200)], cost_seconds)
        assert len(found) * cost_seconds * REST <= sum(found) + CREDIT_SECONDS + found[-1]
