"""Write names and numbers for the reports that are text."""

from __future__ import annotations


def plain(name: str) -> str:
    """Return a name on one line, without what a terminal would obey."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in name
    )


def percent(part: float, whole: float) -> str:
    """Return a share, six characters wide."""
    return f"{part / whole if whole else 0:>6.1%}"


def size(number: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
