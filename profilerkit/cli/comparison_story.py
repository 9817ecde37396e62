"""Tell a comparison in a terminal: what ran differently, the figures side by side, what grew and shrank."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from profilerkit.cli.story import FIGURES, WORDS
from profilerkit.cli.tables import STYLES, console, local_time, plain_table, text
from profilerkit.comparison import Comparison, Difference, Figure
from profilerkit.model import Outcome, Recording
from profilerkit.reading import Metric
from profilerkit.stacks.diff import DiffRow, MetricDiff
from profilerkit.stacks.units import format_value

ROWS = 10
WORTH_A_ROW = 0.01
"""The share of the whole from which on a change is shown, unless it was said how many rows to show."""
EXPLAINED = 0.9
"""The share of a change that own code has to explain; else all functions are shown too."""
SHARES_FROM_WIDTH = 76
HEAD_WIDTH = 66
"""From this width on an id and a time fit into one line."""
LONGEST_FACT = 300
GREW, SHRANK = "dark_orange3", "deep_sky_blue3"
"""Apart for colour-blind eyes too, on dark and on light; the sign says it as well."""


def tell(found: Comparison, *, limit: int | None, thorough: bool) -> None:
    """Print the comparison; `thorough` shows every metric, else counts give way to bytes and seconds."""
    out = console()
    for letter, recording in (("A", found.a), ("B", found.b)):
        _head(out, letter, recording)
    for note in found.notes:
        out.print(text(f"{note}.", "yellow"))
    for each in found.profilers.values():
        for line in _verdict(each.metrics[:1]):
            out.print(line)
    _environment(out, found.environment)
    _section(out, "Figures", _figures(found.figures))
    for name, each in found.profilers.items():
        if each.problem is None:
            for metric in _told(each.metrics, thorough=thorough):
                _metric(out, name, metric, limit)
    lines = [*_problems(found)]
    if lines:
        out.print()
    for line in lines:
        out.print(line, soft_wrap=True)


def _head(out: Console, letter: str, recording: Recording) -> None:
    head = text(f"{letter}  ", "bold cyan")
    head.append_text(text(recording.subject, "bold"))
    head.append(f"  {recording.status.value}", STYLES.get(recording.status, ""))
    if recording.outcome is not None and recording.outcome is not Outcome.UNKNOWN:
        head.append(f"  {recording.outcome.value}", STYLES.get(recording.outcome, ""))
    out.print(head)
    started = local_time(recording.started_at)
    out.print(text(f"   {recording.id}", "dim"), end="" if out.width >= HEAD_WIDTH else "\n")
    out.print(text(f"{'  ' if out.width >= HEAD_WIDTH else '   '}{started}", "dim"))


def _verdict(found: Sequence[MetricDiff]) -> Iterable[Text]:
    """Return in a sentence by how much a metric changed, and where most."""
    for each in found:
        rows = [row for row in (*each.own, *each.functions) if row.change * each.change > 0]
        if not rows or abs(each.change) < WORTH_A_ROW * max(abs(each.a), abs(each.b)):
            continue
        # The own function that most of it is under, if there is one; else what changed most.
        chief = next((row for row in rows if 2 * abs(row.change) > abs(each.change)), None)
        row = chief or max(rows, key=lambda row: abs(row.change))
        unit, grew = each.metric.unit, each.change > 0
        words = _words(each.metric)
        line = text(f"{words[:1].upper()}{words[1:]} {'grew' if grew else 'shrank'} by ")
        line.append_text(text(format_value(abs(each.change), unit), f"bold {_style(each.change)}"))
        line.append_text(text(f" ({_share(each.a, each.b)}), most in {row.function}, {row.file}"))
        line.append_text(text(f" ({_signed(row.change, unit)})"))
        yield line


def _section(out: Console, title: str, table: Table) -> None:
    out.print()
    out.print(text(title, "bold"))
    out.print(table)


def _environment(out: Console, differences: Sequence[Difference]) -> None:
    if not differences:
        out.print()
        out.print(text("Both ran in the same environment, as far as it was recorded.", "dim"))
        return
    table = plain_table(("", "left"), ("A", "left"), ("B", "left"))
    for column in table.columns[1:]:
        column.no_wrap, column.overflow = False, "fold"
    for each in differences:
        table.add_row(text(_name(each), "dim"), text(_fact(each.a)), text(_fact(each.b)))
    _section(out, "What ran differently", table)


def _name(each: Difference) -> str:
    return each.name if each.kind in ("environment", "option") else f"{each.kind} {each.name}"


def _fact(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        words = shlex.join(value)
    else:
        words = value if isinstance(value, str) else json.dumps(value)
    return words if len(words) <= LONGEST_FACT else f"{words[:LONGEST_FACT]}…"


def _figures(figures: Iterable[Figure]) -> Table:
    known = {each.name: each for each in figures}
    limited = "container_limit_bytes" in known
    table = plain_table(("", "left"), ("A", "right"), ("B", "right"), ("CHANGE", "right"), ("", "right"))
    for name, words, unit in (("duration_seconds", "duration", "seconds"), *FIGURES):
        each = known.get(name)
        if each is None or (name.startswith("container") and not limited):
            continue
        style = _style(each.change)
        table.add_row(
            text(words, "dim"),
            text(format_value(each.a, unit)),
            text(format_value(each.b, unit)),
            text("" if each.change is None else _signed(each.change, unit), f"bold {style}".strip()),
            text("" if each.a is None or each.b is None else _share(each.a, each.b), style),
        )
    return table


def _told(found: Sequence[MetricDiff], *, thorough: bool) -> list[MetricDiff]:
    measured = [each for each in found if each.metric.unit in ("bytes", "seconds")]
    return list(found) if thorough or not measured else measured


def _metric(out: Console, profiler: str, found: MetricDiff, limit: int | None) -> None:
    title = f"{profiler}: {_words(found.metric)}"
    own = _worth_telling(found.own, found, limit)
    if own:
        words = f"{title}, own functions with what they call in packages"
        _section(out, words, _changes(out, own, found))
    if not own or _is_unexplained(found):
        everything = _worth_telling(found.functions, found, limit)
        _section(out, f"{title}, all functions", _changes(out, everything, found))


def _words(metric: Metric) -> str:
    return WORDS.get(metric.name, metric.name.replace("_", " "))


def _worth_telling(rows: Sequence[DiffRow], found: MetricDiff, limit: int | None) -> list[DiffRow]:
    if limit is not None:
        return list(rows[:limit])
    least = WORTH_A_ROW * max(abs(found.a), abs(found.b))
    return [row for row in rows[:ROWS] if abs(row.change) >= least]


def _is_unexplained(found: MetricDiff) -> bool:
    own = math.fsum(row.change for row in found.own)
    moved = max(abs(found.change), math.fsum(abs(row.change) for row in found.own))
    return abs(found.change - own) > (1 - EXPLAINED) * moved


def _changes(out: Console, rows: Sequence[DiffRow], found: MetricDiff) -> Table:
    """Return the rows, and two more that make their sums whole."""
    lines = [(row.a, row.b, text(row.function), text(row.file, "cyan" if row.own else "dim")) for row in rows]
    if rows:
        rest = (found.a - math.fsum(row.a for row in rows), found.b - math.fsum(row.b for row in rows))
        lines.append((*rest, text("the rest", "dim"), text("")))
    lines.append((found.a, found.b, text("all of it", "bold"), text("")))
    unit = found.metric.unit
    cells = [
        (
            text(_signed(b - a, unit), f"bold {_style(b - a)}".strip()),
            text(_share(a, b), _style(b - a)),
            text(format_value(a, unit)),
            text(format_value(b, unit)),
            name,
            file,
        )
        for a, b, name, file in lines
    ]
    return _fitting(cells, out.width)


HEADINGS = (
    ("CHANGE", "right"), ("", "right"), ("A", "right"), ("B", "right"),
    ("FUNCTION", "left"), ("FILE", "left"),
)  # fmt: skip
GAP = 2


def _fitting(rows: Sequence[tuple[Text, ...]], width: int) -> Table:
    """Return a table in which numbers are never cut, and files at their beginning, if there is no room."""
    shown = [number for number in range(len(HEADINGS)) if number != 1 or width >= SHARES_FROM_WIDTH]
    widths = [max(len(HEADINGS[n][0]), *(row[n].cell_len for row in rows)) for n in range(len(HEADINGS))]
    room = width - sum(widths[n] + GAP for n in shown if n < 4) - GAP
    if widths[4] + widths[5] > room:
        widths[5] = max(min(widths[5], room // 2), room - widths[4])
        widths[4] = room - widths[5]
    table = plain_table(*(HEADINGS[number] for number in shown))
    for column, number in zip(table.columns, shown, strict=True):
        column.width = max(1, widths[number])
    for row in rows:
        cells = [row[number] for number in shown]
        cells[-1] = _end_of(cells[-1], max(1, widths[5]))
        table.add_row(*cells)
    return table


def _end_of(path: Text, width: int) -> Text:
    """Return a path that is too wide without its beginning."""
    if path.cell_len <= width:
        return path
    plain = path.plain
    while plain and cell_len(plain) >= width:
        plain = plain[1:]
    return Text(f"…{plain}", style=path.style)


def _signed(change: float, unit: str) -> str:
    return f"+{format_value(change, unit)}" if change > 0 else format_value(change, unit)


def _share(a: float, b: float) -> str:
    """Return by how much B is more than A, in words where that is no number."""
    if a == b:
        return ""
    if a == 0 or b == 0:
        return "new" if a == 0 else "gone"
    share = 100 * (b - a) / abs(a)
    return f"{share:+.1f}%" if abs(share) < 100 else f"{share:+,.0f}%"


def _style(change: float | None) -> str:
    return "" if not change else GREW if change > 0 else SHRANK


def _problems(found: Comparison) -> Iterable[Text]:
    """Return in words what is not compared; what has no functions is no loss where others have some."""
    compared = any(each.problem is None for each in found.profilers.values())
    for name, each in found.profilers.items():
        problems = (
            (each.problem,) if each.problem is not None and (each.has_functions or not compared) else ()
        )
        for words in (*problems, *each.notes):
            line = text(f"{name}: ", "yellow")
            line.append_text(text(words))
            yield line
