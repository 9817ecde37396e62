"""Tell a recording in a terminal: what happened, figures, a timeline, the hottest lines, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from profilerkit.cli.tables import STYLES, area_chart, console, local_time, plain_table, text
from profilerkit.model import Outcome, Recording
from profilerkit.reading import Reading, Timeline
from profilerkit.stacks.fold import HotRow, hot, metrics, own_hot, whole
from profilerkit.stacks.units import format_share, format_value
from profilerkit.verdict import has_functions, verdict

ROWS = 8
CHART_WIDTH = 60
FIGURES = (
    ("peak_rss_bytes", "peak RSS", "bytes"),
    ("peak_heap_bytes", "peak heap", "bytes"),
    ("cpu_seconds", "CPU time", "seconds"),
    ("container_peak_bytes", "container peak", "bytes"),
    ("container_limit_bytes", "container limit", "bytes"),
)
CHARTS = {"rss": "RSS", "heap": "Heap", "cpu": "CPU"}


def tell(
    recording: Recording, readings: Mapping[str, Reading], errors: Mapping[str, str], *, verbose: bool
) -> None:
    """Print the whole story."""
    out = console()
    _head(out, recording)
    for line in verdict(recording, readings):
        out.print(text(line))
    out.print()
    out.print(_figures(recording))
    for title, chart in _charts(recording, readings):
        _section(out, title, chart)
    for name, reading in readings.items():
        for title, table in _hot_tables(name, reading):
            _section(out, title, table)
    _captures(out, recording, readings, errors)
    if verbose:
        _environment(out, recording)
    out.print()
    out.print(text(f"Reports: profilerkit report {recording.id}", "dim"))


def _section(out: Console, title: str, table: Table) -> None:
    out.print()
    out.print(text(title, "bold"))
    out.print(table)


def _head(out: Console, recording: Recording) -> None:
    style = STYLES.get(recording.status, "")
    head = text(recording.subject, "bold")
    head.append("  ")
    head.append(recording.status.value, style)
    if recording.outcome is not None and recording.outcome is not Outcome.UNKNOWN:
        head.append("  ")
        head.append(recording.outcome.value, STYLES.get(recording.outcome, ""))
    out.print(head)
    out.print(text(f"{recording.id}  {local_time(recording.started_at)}", "dim"))
    for key, value in recording.labels.items():
        out.print(text(f"{key}={value}", "dim"))


def _figures(recording: Recording) -> Table:
    table = plain_table(("", "left"), ("", "right"))
    table.add_row(text("duration", "dim"), text(format_value(recording.duration_seconds, "seconds")))
    limited = recording.summary.get("container_limit_bytes") is not None
    for key, words, unit in FIGURES:
        value = recording.summary.get(key)
        if value is not None and (limited or not key.startswith("container")):
            table.add_row(text(words, "dim"), text(format_value(value, unit), "bold"))
    return table


def _charts(recording: Recording, readings: Mapping[str, Reading]) -> list[tuple[str, Table]]:
    """Return a chart of each of these, from the profiler that looked most often."""
    found: dict[str, Timeline] = {}
    for timeline in (each for reading in readings.values() for each in reading.timelines):
        best = found.get(timeline.name)
        if timeline.name in CHARTS and len(timeline.values) > max(1, len(best.values) if best else 0):
            found[timeline.name] = timeline
    return [_chart(found[name], recording) for name in CHARTS if name in found]


def _chart(timeline: Timeline, recording: Recording) -> tuple[str, Table]:
    end = max(recording.duration_seconds or 0.0, timeline.times_seconds[-1])
    table = plain_table(("", "right"), ("", "left"))
    rows = area_chart(timeline.times_seconds, timeline.values, width=CHART_WIDTH, height=4, end=end)
    for number, row in enumerate(rows):
        label = format_value(max(timeline.values), timeline.unit) if number == 0 else ""
        table.add_row(text("0" if number == len(rows) - 1 else label, "dim"), text(row, "cyan"))
    return f"{CHARTS[timeline.name]} over {format_value(end, 'seconds')}", table


def _hot_tables(name: str, reading: Reading) -> list[tuple[str, Table]]:
    if not has_functions(reading):
        return []
    all_of_it = whole(reading)
    metric = metrics(reading)[0]
    own = [row for row in own_hot(reading, limit=ROWS) if row.self_value > 0]
    tables = []
    if own:
        title = f"{name}: lines of your own code, {_words(metric.name)}, with what they call in packages"
        tables.append((title, _hot_table(own, all_of_it)))
    if _leaves_much_unexplained(own, all_of_it):
        everything = [row for row in hot(reading, limit=ROWS) if row.self_value > 0]
        tables.append(
            (f"{name}: all functions, {_words(metric.name)} of their own", _hot_table(everything, all_of_it))
        )
    return tables


def _leaves_much_unexplained(own: list[HotRow], all_of_it: float) -> bool:
    """Tell whether own code alone leaves more than a tenth unexplained."""
    return sum(row.self_value for row in own) < 0.9 * all_of_it


WORDS = {"cpu": "CPU time", "wall": "wall time", "heap_at_peak": "heap at its peak"}


def _words(metric: str) -> str:
    return WORDS.get(metric, metric.replace("_", " "))


def _hot_table(rows: list[HotRow], all_of_it: float) -> Table:
    table = plain_table(("", "right"), ("", "right"), ("", "left"), ("", "left"))
    for row in rows:
        table.add_row(
            text(format_value(row.self_value, row.unit), "bold"),
            text(format_share(row.self_value, all_of_it), "dim"),
            text(row.function),
            text(f"{row.file}:{row.line}" if row.line else row.file, "cyan" if row.own else "dim"),
        )
    return table


def _captures(
    out: Console, recording: Recording, readings: Mapping[str, Reading], errors: Mapping[str, str]
) -> None:
    notes = [(name, note) for name, reading in readings.items() for note in reading.notes]
    failed = [
        (each.profiler, f"{each.status.value}: {each.error}")
        for each in recording.captures
        if each.error is not None
    ]
    unread = [(name, f"cannot be read: {error}") for name, error in errors.items()]
    lines = [*failed, *unread, *notes, *(("warning", each) for each in recording.warnings)]
    if lines:
        out.print()
    for name, words in lines:
        line = text(f"{name}: ", "yellow")
        line.append_text(text(words))
        out.print(line, soft_wrap=True)


def _environment(out: Console, recording: Recording) -> None:
    out.print()
    for key, value in recording.environment.items():
        out.print(text(f"{key}: {value}", "dim"), soft_wrap=True)
