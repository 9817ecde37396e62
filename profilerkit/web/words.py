"""Write values for people: the filters that templates use."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import Any

from markupsafe import Markup

from profilerkit.model import Outcome, Recording, Status, Subject
from profilerkit.stacks.names import printable
from profilerkit.stacks.units import format_share, format_value

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STATES: dict[str, tuple[str, str]] = {
    "success": ("Success", "check"), "complete": ("Complete", "check"), "usable": ("Usable", "check"),
    "failed": ("Failed", "x"), "killed": ("Killed", "bolt"), "timeout": ("Timed out", "clock"),
    "running": ("Running", "play"), "partial": ("Partial", "alert"),
    "interrupted": ("Interrupted", "alert"), "skipped": ("Skipped", "skip"),
    "deferred": ("Deferred", "retry"), "rescheduled": ("Rescheduled", "retry"),
    "unknown": ("Unknown", "question"),
}  # fmt: skip
FIGURES = {
    "peak_rss_bytes": "Peak memory (RSS)",
    "peak_heap_bytes": "Peak heap",
    "cpu_seconds": "CPU time",
    "duration_seconds": "Duration",
    "container_peak_bytes": "Container peak",
    "container_limit_bytes": "Container limit",
}
NEAR_LIMIT = 0.9
UNMARKED = 0.01
MANY_TIMES = 10.0
"""From here on a change is told as a multiple: 43,012 % says nothing to anybody."""
WORSE = 0.15
"""A change this large is marked as one."""


def unit_of(name: str) -> str:
    """Return the unit that the end of a number's name says."""
    end = name.rpartition("_")[2]
    return end if end in ("bytes", "seconds") else "count"


def words_of(name: str) -> str:
    """Return a number's or metric's name as people say it, without its unit."""
    if name in FIGURES:
        return FIGURES[name]
    for end in ("_bytes", "_seconds"):
        name = name.removesuffix(end)
    return printable(name.replace("_", " ")).capitalize()


def value(number: float | None, unit: str = "count") -> str:
    """Return a number with its unit, a dash where it is not known."""
    if number is None or not math.isfinite(number):
        return "–"
    return format_value(number, unit)


def size(number: float | None) -> str:
    """Return bytes for people."""
    return value(number, "bytes")


def seconds(number: float | None) -> str:
    """Return seconds for people."""
    return value(number, "seconds")


def share(part: float | None, whole: float | None) -> str:
    """Return a part in percent."""
    return "–" if part is None or whole is None else format_share(part, whole)


def width(part: float | None, whole: float | None) -> str:
    """Return a part in percent for the width of a bar, between 0 and 100."""
    if part is None or not whole or not math.isfinite(part / whole):
        return "0%"
    return f"{min(100.0, max(0.0, 100 * part / whole)):.2f}%"


def when(time: datetime | None, kind: str = "full") -> Markup:
    """Return a time in UTC that the script shows in the reader's zone."""
    if time is None:
        return Markup("–")
    utc = time.astimezone(timezone.utc)
    text = f"{utc.day} {MONTHS[utc.month - 1]} {utc.year} {utc:%H:%M:%S} UTC"
    stamp = f"{utc:%Y-%m-%dT%H:%M:%S}Z"
    return Markup('<time datetime="{}" data-time="{}">{}</time>').format(stamp, kind, text)


def delta(ratio: float | None) -> Markup:
    """Return a relative change, marked when it is large."""
    if ratio is None or not math.isfinite(ratio):
        return Markup('<span class="muted" title="fewer than 3 earlier runs">–</span>')
    percent = f"{abs(100 * ratio):,.0f}%"
    if ratio >= MANY_TIMES:
        return _delta("up", f"▲ ×{ratio + 1:,.0f}")
    if ratio >= WORSE:
        return _delta("up", f"▲ +{percent}")
    if ratio <= -WORSE:
        return _delta("down", f"▼ −{percent}")
    sign = "" if percent == "0%" else "+" if ratio > 0 else "−"
    return _delta("flat", f"{sign}{percent}")


def _delta(kind: str, text: str) -> Markup:
    return Markup('<span class="delta {}">{}</span>').format(kind, text)


def change(number: float | None, unit: str, base: float | None = None) -> Markup:
    """Return an absolute change with its sign, unmarked when it is less than 1 % of `base`."""
    if number is None or not math.isfinite(number):
        return Markup('<span class="muted">–</span>')
    if base is not None and abs(number) < UNMARKED * abs(base):
        sign = "+" if number > 0 else "−" if number < 0 else ""
        return _delta("flat", f"{sign}{value(abs(number), unit)}")
    kind, mark = ("up", "▲ +") if number > 0 else ("down", "▼ −") if number < 0 else ("flat", "")
    return _delta(kind, f"{mark}{value(abs(number), unit)}")


def state(kind: str | Status | Outcome) -> Markup:
    """Return a state as an icon and a word."""
    name = kind.value if isinstance(kind, (Status, Outcome)) else str(kind)
    text, icon = STATES.get(name, (name.capitalize(), "question"))
    return Markup(
        '<span class="st {}"><svg class="i" aria-hidden="true"><use href="#i-{}"/></svg>{}</span>'
    ).format(name, icon, text)


def ended(recording: Recording) -> str:
    """Return the one state that says most about a recording."""
    if recording.status is Status.RUNNING:
        return "running"
    outcome = recording.outcome
    if outcome is None or outcome is Outcome.UNKNOWN:
        return str(recording.status.value)
    return str(outcome.value)


def oom_reason(recording: Recording) -> str | None:
    """Return why the kernel's OOM killer is suspected, None when it is not."""
    limit, peak = (recording.summary.get(f"{name}_bytes") for name in ("container_limit", "peak_rss"))
    for each in recording.evidence:
        if each.kind == "oom_kill":
            return each.text
        if each.kind == "signal" and "SIGKILL" in each.text and limit and peak and peak >= NEAR_LIMIT * limit:
            return f"{each.text} at {share(peak, limit)} of the memory limit"
    return None


def title(subject: Subject) -> str:
    """Return the name that a subject is known by: of a task its own, not that of its DAG."""
    return printable(raw_title(subject)) or subject.kind


def raw_title(subject: Subject) -> str:
    """Return that name as it is stored."""
    names = subject.names
    shown = (names[part] for part in ("task_id", "name", "file", "trigger", "dag_id") if names.get(part))
    return next(shown, next(iter(names.values()), subject.kind))


def utc(time: datetime) -> str:
    """Return a time in UTC where no element can stand, as in an option."""
    return f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def details(subject: Subject) -> str:
    """Return the other names of a subject, on one line."""
    names = subject.names
    shown = title(subject)
    found = [
        printable(each) for part, each in names.items() if each and part not in ("map_index", "try_number")
    ]
    if shown in found:
        found.remove(shown)
    if names.get("try_number"):
        found.append(f"try {printable(names['try_number'])}")
    return " · ".join(found)


def map_index(subject: Subject) -> str:
    """Return the map index in brackets, nothing where there is none."""
    index = subject.names.get("map_index", "")
    return f"[{printable(index)}]" if index not in ("", "-1") else ""


def code_kind(place: tuple[str, bool]) -> str:
    """Return whose code a file as reports show it is: own, package, stdlib or native."""
    file, own = place
    if own:
        return "own"
    if file.startswith("<frozen "):
        return "stdlib"
    root = file.partition("/")[0]
    if root in ("stdlib", "native"):
        return root
    if file.startswith("<frozen "):
        return "stdlib"
    return "native" if file.startswith("<") else "package"


def search_term(text: str) -> str:
    """Return a value as the search takes it, whatever is in it; a glob's characters stand for themselves."""
    literal = re.sub(r"([*?\[])", r"[\1]", text)
    escaped = literal.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def series_search(series: Subject) -> str:
    """Return the search that finds all recordings of a series."""
    terms = [f"kind:{series.kind}"]
    for part, name in series.names.items():
        key = part if re.fullmatch(r"[\w./-]+", part, re.ASCII) else search_term(part)
        if name:
            terms.append(f"names.{key}:{search_term(name)}")
    return " ".join(terms)


METRICS = {"cpu": "CPU time", "wall": "wall time", "heap_at_peak": "heap at its peak"}


def metric_words(name: str) -> str:
    """Return what a metric counts, as people say it."""
    return METRICS.get(name, printable(name.replace("_", " ")))


def plain(text: object) -> str:
    """Return anything as one printable line."""
    return printable(str(text))


FILTERS: dict[str, Any] = {
    "value": value, "size": size, "seconds": seconds, "share": share, "width": width, "when": when,
    "delta": delta, "change": change, "state": state, "ended": ended, "subject_title": title,
    "subject_details": details, "map_index": map_index, "plain": plain, "words_of": words_of,
    "code_kind": code_kind, "search_term": search_term, "series_search": series_search,
    "raw_title": raw_title, "utc": utc, "metric_words": metric_words, "unit_of": unit_of,
    "oom_reason": oom_reason,
}  # fmt: skip
