"""Show one recording: what happened, where memory and time went, every report, every file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from attrs import frozen
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from profilerkit.catalog.values import Row
from profilerkit.errors import NotFoundError
from profilerkit.model import Outcome, Recording, Status
from profilerkit.stacks.names import printable
from profilerkit.verdict import ending
from profilerkit.web.access import Viewer
from profilerkit.web.addresses import Addresses
from profilerkit.web.delivery import PRIVATE, attachment
from profilerkit.web.overview import GROUPINGS
from profilerkit.web.site import Site, current_viewer, site_of
from profilerkit.web.told import Told, tell
from profilerkit.web.work import FAILED, RENDERING

OURS = ("overview", "flamegraph", "hot", "files", "about")
LIVE_SECONDS = 5
READING_SECONDS = 1
FEWEST_RUNS = 3
"""So many runs before are needed to say what is usual."""
CULPRITS = {"heap_at_peak": "of the heap at its peak was held by", "cpu": "of the CPU time was used by"}
TEXTS = (".txt", ".csv", ".json", ".folded", ".collapsed", ".md")

router = APIRouter()


@frozen
class Tab:
    """One tab of the page."""

    name: str
    text: str
    url: str
    reports: tuple[Tab, ...] = ()
    """Of a profiler: a tab for each of its reports."""


@router.get("/recordings/{recording_id}", include_in_schema=False)
def recording(
    request: Request,
    recording_id: str,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    tab: str = "overview",
    profiler: str = "",
    by: str = "function",
    metric: str = "",
) -> Response:
    """Show a recording."""
    site = site_of(request)
    told = tell(site, recording_id, viewer)
    found = told.recording
    to = Addresses.of(request)
    report = next((each for each in told.reports if each["name"] == tab), None)
    tab = tab if tab in OURS or report is not None or told.overview is None else "overview"
    profilers = _with_stacks(told)
    return site.page(
        request,
        "recording.html",
        told=told,
        recording=found,
        tab=tab,
        tabs=_tabs(told, to),
        report=report,
        kind=_kind(report),
        links=site.hosting.subject_links(found.subject),
        verdict=_verdict(told),
        ending=ending(found),
        usual=site.catalog.usual(found, scope=viewer.scope),
        last_good=_last_good(site, viewer, found),
        related=[(relation(found, row), row) for row in site.catalog.related(found, scope=viewer.scope)],
        profilers=profilers,
        profiler=profiler if profiler in profilers else (profilers[0] if profilers else ""),
        by=by if by in GROUPINGS else "function",
        table=_table(told.hot, profiler, metric),
        overhead=_overhead(found),
        stored_bytes=_stored(found),
        fewest_runs=FEWEST_RUNS,
        facts=_facts(found.environment),
        refresh_seconds=_refresh_seconds(told),
        reading=told.state.state == RENDERING,
        unread=told.state.message if told.state.state == FAILED else None,
    )


@router.get("/recordings/{recording_id}/raw/{profiler}/{number}", include_in_schema=False)
def raw(
    request: Request,
    recording_id: str,
    profiler: str,
    number: int,
    viewer: Annotated[Viewer, Depends(current_viewer)],
) -> Response:
    """Send a raw file of a capture, as the profiler wrote it."""
    site = site_of(request)
    event = site.find(recording_id, viewer)
    capture = site.archive.load(event).capture(profiler)
    if capture is None or not 0 <= number < len(capture.files):
        raise NotFoundError("There is no such file in this recording.")
    name = capture.files[number].path
    blocks = site.archive.raw_blocks(event, profiler, name)
    first = next(blocks, b"")  # what cannot be opened is told before anything is sent

    def all_of_it() -> Any:
        yield first
        yield from blocks

    headers = {**PRIVATE, **attachment(f"{event.recording.id}-{profiler}-{name.rpartition('/')[2]}")}
    return StreamingResponse(all_of_it(), media_type="application/octet-stream", headers=headers)


def _refresh_seconds(told: Told) -> int | None:
    if told.state.state == RENDERING:
        return READING_SECONDS
    return LIVE_SECONDS if told.recording.status is Status.RUNNING else None


def _with_stacks(told: Told) -> list[str]:
    """Return the profilers that a flame graph can be drawn of."""
    contents: Mapping[str, Sequence[str]] = told.overview["contents"] if told.overview else {}
    return [name for name, parts in contents.items() if "stacks" in parts]


def _tabs(told: Told, to: Addresses) -> list[Tab]:
    def ours(name: str, text: str) -> Tab:
        query = {} if name == "overview" else {"tab": name}
        return Tab(name, text, to.recording(told.recording.id, **query))

    found = [ours("overview", "Overview")]
    if _with_stacks(told):
        found.append(ours("flamegraph", "Flame graph"))
    if told.hot:
        found.append(ours("hot", "Hot frames"))
    for capture in told.recording.captures:
        of = _report_tabs(told, capture.profiler, to)
        if of:
            found.append(Tab(capture.profiler, capture.profiler, of[0].url, tuple(of)))
    return [*found, ours("files", "Files"), ours("about", "About")]


def _report_tabs(told: Told, profiler: str, to: Addresses) -> list[Tab]:
    """Return a tab for each report of a profiler, first what its backend renders itself."""
    reports = [each for each in told.reports if each["profiler"] == profiler]
    reports.sort(
        key=lambda each: ("." not in each["renderer"], each["renderer"] != "speedscope", each["name"])
    )
    texts = Counter(short(each["title"]) for each in reports)
    return [
        Tab(
            each["name"],
            each["title"] if texts[short(each["title"])] > 1 else short(each["title"]),
            to.recording(told.recording.id, tab=each["name"]),
        )
        for each in reports
    ]


def short(title: str) -> str:
    """Return the title of a report without what stands in brackets."""
    return re.sub(r"\s*\([^()]*\)$", "", title) or title


def _kind(report: Mapping[str, Any] | None) -> str:
    """Return how a report is shown: `frame`, `text`, `speedscope` or `file`."""
    if report is None:
        return ""
    if report["renderer"] == "speedscope":
        return "speedscope"
    name = str(report["filename"]).lower()
    if name.endswith((".html", ".htm")):
        return "frame"
    return "text" if name.endswith(TEXTS) else "file"


def _verdict(told: Told) -> list[dict[str, Any]]:
    """Return what was responsible for most: of every metric that matters the first row of own code."""
    found = []
    for table in told.hot:
        rows = [row for row in table["own"]["line"] if row[3] > 0]
        if table["metric"] in CULPRITS and rows and table["whole"] > 0:
            function, file, line, value = rows[0][:4]
            found.append(
                {
                    "words": CULPRITS[table["metric"]],
                    "value": value,
                    "unit": table["unit"],
                    "share": value / table["whole"],
                    "function": printable(function),
                    "place": printable(f"{file}:{line}"),
                    "profiler": table["profiler"],
                }
            )
    return found


def _table(tables: Sequence[dict[str, Any]], profiler: str, metric: str) -> dict[str, Any] | None:
    fitting = [each for each in tables if each["profiler"] == profiler and metric in ("", each["metric"])]
    return next(iter([*fitting, *tables]), None)


def _last_good(site: Site, viewer: Viewer, recording: Recording) -> str | None:
    """Return the recording of the last run before this one that ended well."""
    runs = site.catalog.trend(recording.subject.series, scope=viewer.scope, limit=50)
    good = [
        run.id
        for run in runs
        if run.outcome is Outcome.SUCCESS and run.id != recording.id and run.started_at < recording.started_at
    ]
    return good[-1] if good else None


def relation(recording: Recording, row: Row) -> str:
    """Return in words what another recording is to this one."""
    other = row.recording
    if other.parent_id == recording.id:
        return "child process"
    if other.id == recording.parent_id:
        return "parent process"
    if other.parent_id is not None and other.parent_id == recording.parent_id:
        return "process beside this one"
    names, others = recording.subject.names, other.subject.names
    if others.get("try_number") != names.get("try_number"):
        return f"try {printable(others.get('try_number') or '?')}"
    if others.get("map_index") != names.get("map_index"):
        return f"map index {printable(others.get('map_index') or '?')}"
    return "segment"


def _overhead(recording: Recording) -> dict[str, float] | None:
    """Return what recording cost, start and stop together, in wall and CPU seconds."""
    costs = recording.environment.get("overhead")
    if not isinstance(costs, Mapping):
        return None
    parts = [each for name, each in costs.items() if name in ("start", "stop") and isinstance(each, Mapping)]
    found = {}
    for name in ("seconds", "cpu_seconds"):
        values = [each[name] for each in parts if isinstance(each.get(name), (int, float))]
        if values:
            found[name] = float(sum(values))
    return found or None


def _stored(recording: Recording) -> int:
    files = [each for capture in recording.captures for each in capture.files]
    return sum(each.stored_bytes if each.stored_bytes is not None else each.size_bytes for each in files)


def _facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the environment as lines of text."""
    found = []
    for name, value in environment.items():
        if name == "variables" and isinstance(value, Mapping):
            found += [(f"${printable(str(key))}", printable(str(each))) for key, each in value.items()]
        elif name != "overhead":
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            found.append((printable(str(name)), printable(text)))
    return found
