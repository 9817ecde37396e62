"""Write numbers with their units for people."""

from __future__ import annotations

import math

UNKNOWN = "unknown"


def format_value(value: float | None, unit: str) -> str:
    """Return `value` in `unit` (`bytes`, `seconds`, `count`, or any other word) as people read it.

    None and numbers that are not finite are "unknown".
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    sign = "-" if value < 0 else ""
    if unit == "bytes":
        return sign + _bytes(abs(value))
    if unit == "seconds":
        return sign + _seconds(abs(value))
    if unit in ("count", ""):
        return sign + _count(abs(value))
    return f"{sign}{_count(abs(value))} {unit}"


def format_share(value: float, whole: float) -> str:
    """Return `value` as a percentage of `whole`, or a dash where there is no whole."""
    if not (math.isfinite(value) and math.isfinite(whole)) or whole == 0:
        return "-"
    return f"{100 * value / whole:.1f}%"


def _bytes(value: float) -> str:
    if value < 1023.5:
        return f"{round(value)} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.4g} PiB"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    if value < 0.9995e-3:
        return f"{value * 1e6:.3g} µs"
    if value < 0.9995:
        return f"{value * 1e3:.3g} ms"
    if value < 59.95:
        return f"{value:.3g} s"
    if value < 3599.5:
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes} min {seconds:02} s"
    if value < 1e12:
        hours, minutes = divmod(round(value / 60), 60)
        return f"{hours:,} h {minutes:02} min"
    return f"{value:.4g} s"


def _count(value: float) -> str:
    if value >= 1e15:
        return f"{value:.4g}"
    if value == round(value):
        return f"{round(value):,}"
    return f"{value:,.1f}" if value >= 100 else f"{value:.3g}"
