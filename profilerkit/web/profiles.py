"""Show the first page: who uses most, who got worse, and the list of recordings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from attrs import asdict, frozen
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from profilerkit import plugins
from profilerkit.catalog.query import Field
from profilerkit.catalog.query import Query as Wanted
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.search import ALIASES, parse_search
from profilerkit.catalog.values import Measure, Page, Ranked, Regression, Row
from profilerkit.errors import UsageError
from profilerkit.model import Outcome
from profilerkit.web.access import Viewer
from profilerkit.web.addresses import Addresses
from profilerkit.web.remembered import scope_key
from profilerkit.web.site import Site, current_viewer, site_of

ROWS = (25, 50, 100)
RANKED = 6
REGRESSIONS = 5
WINDOWS = {"1d": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
STATES = ("running", "success", "failed", "killed", "timeout", "partial", "interrupted")
SORTS = {"started": Field.STARTED, "peak": Field.PEAK, "cpu": Field.CPU, "duration": Field.DURATION}
RANKS = {"peak": Measure.PEAK, "cpu": Measure.CPU, "duration": Measure.DURATION}
MEASURE_WORDS = {"peak": "Peak memory", "cpu": "CPU time", "duration": "Duration"}

router = APIRouter()


@frozen
class Choice:
    """What the address says is to be shown."""

    q: str = ""
    state: str = ""
    profiler: str = ""
    since: str = ""
    sort: str = "started"
    order: str = "desc"
    rank: str = "peak"
    rows: int = ROWS[0]
    after: str | None = None
    start: int = 1

    @property
    def search(self) -> str:
        """Return all filters as one search."""
        terms = [self.q]
        if self.state:
            is_outcome = self.state in {each.value for each in Outcome}
            terms.append(f"{'outcome' if is_outcome else 'status'}:{self.state}")
        if self.profiler:
            terms.append(f"profiler:{quoted(self.profiler)}")
        if self.since:
            terms.append(f"since:{quoted(self.since)}")
        return " ".join(terms)

    def query(self, **changes: str | int | None) -> dict[str, str | int | None]:
        """Return it as the query of an address, with changes; what is as always is left out."""
        usual = asdict(Choice())
        found = {**asdict(self), "after": None, "start": 1, **changes}
        return {name: each for name, each in found.items() if each != usual[name]}


def quoted(text: str) -> str:
    """Return a value as the search takes it, whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def choice(
    q: str = "",
    state: str = "",
    profiler: str = "",
    since: str = "",
    sort: str = "started",
    order: str = "desc",
    rank: str = "peak",
    rows: int = ROWS[0],
    after: str | None = None,
    start: Annotated[int, Query(ge=1, le=10**9)] = 1,
) -> Choice:
    """Return what the address says; what it cannot say is taken as usual."""
    return Choice(
        q,
        state if state in STATES else "",
        profiler,
        since if since in WINDOWS else "",
        sort if sort in SORTS else "started",
        order if order in ("asc", "desc") else "desc",
        rank if rank in RANKS else "peak",
        rows if rows in ROWS else ROWS[0],
        after or None,
        start,
    )


@router.get("/", include_in_schema=False)
def profiles(
    request: Request,
    viewer: Annotated[Viewer, Depends(current_viewer)],
    chosen: Annotated[Choice, Depends(choice)],
) -> Response:
    """Show the first page."""
    site = site_of(request)
    site.freshness.refresh()
    page, problem = _page(site, viewer, chosen)
    empty = not page.rows and not chosen.after and not _any(site, viewer.scope)
    values: dict[str, Any] = {
        "chosen": chosen,
        "page": page,
        "problem": problem,
        "empty": empty,
        "usuals": site.catalog.usuals([row.recording for row in page.rows], scope=viewer.scope),
        "most": _most(page.rows),
        "running": any(row.recording.status.value == "running" for row in page.rows),
        "commands": commands(site) if empty else (),
        "chips": _chips(chosen, Addresses.of(request)),
        "windows": WINDOWS,
        "states": STATES,
        "profilers": plugins.names(plugins.PROFILERS),
        "measures": MEASURE_WORDS,
        "row_counts": ROWS,
        "examples": _examples(site),
    }
    if not empty:
        ranked = _ranking(site, viewer.scope, chosen)
        values["ranking"] = ranked
        values["ranking_whole"] = _whole(ranked)
        values["regressions"] = _regressions(site, viewer.scope, chosen)
    else:
        values["installed"] = plugins.describe(plugins.PROFILERS)
    values["refresh_seconds"] = 5 if values["running"] else None
    return site.page(request, "profiles.html", status=400 if problem else 200, **values)


def _page(site: Site, viewer: Viewer, chosen: Choice) -> tuple[Page, UsageError | None]:
    try:
        wanted = parse_search(chosen.search, aliases={**ALIASES, **site.hosting.search_aliases})
        page = site.catalog.page(
            wanted,
            scope=viewer.scope,
            sort=SORTS[chosen.sort],
            descending=chosen.order == "desc",
            limit=chosen.rows,
            after=chosen.after,
        )
    except UsageError as error:
        return Page((), None, 0), error
    return page, None


def _ranking(site: Site, scope: Scope, chosen: Choice) -> list[Ranked]:
    def ask() -> list[Ranked]:
        since = _since(chosen.since)
        return site.catalog.ranking(RANKS[chosen.rank], scope=scope, since=since, limit=RANKED)

    return site.remembered.get(("ranking", scope_key(scope), chosen.rank, chosen.since), ask)


def _regressions(site: Site, scope: Scope, chosen: Choice) -> list[Regression]:
    def ask() -> list[Regression]:
        return site.catalog.regressions(scope=scope, since=_since(chosen.since), limit=REGRESSIONS)

    return site.remembered.get(("regressions", scope_key(scope), chosen.since), ask)


def _any(site: Site, scope: Scope) -> bool:
    return bool(site.catalog.page(Wanted(), scope=scope, limit=1).rows)


def _since(window: str) -> datetime | None:
    return datetime.now(timezone.utc) - timedelta(days=int(window[:-1])) if window else None


def _most(rows: tuple[Row, ...]) -> Mapping[str, float]:
    """Return the largest of each number on this page, which the bars in cells are drawn against."""
    found = {}
    for measure in Measure:
        values = [_number(row, measure) or 0.0 for row in rows]
        if measure is Measure.PEAK:
            values += [row.limit_bytes or 0.0 for row in rows]
        found[measure.value] = max(values, default=0.0)
    return found


def _number(row: Row, measure: Measure) -> float | None:
    recording = row.recording
    return recording.duration_seconds if measure is Measure.DURATION else recording.summary.get(measure.value)


def _whole(ranked: list[Ranked]) -> float:
    """Return what a full bar stands for: the highest value, or the highest limit near it."""
    limits = [each.row.limit_bytes for each in ranked if each.measure is Measure.PEAK]
    highest = max((each.value for each in ranked), default=0.0)
    return max([highest, *(limit for limit in limits if limit is not None and limit <= 3 * highest)])


def _chips(chosen: Choice, to: Addresses) -> list[tuple[str, str]]:
    """Return each filter that is set, and the address without it."""
    words = {
        "q": chosen.q,
        "state": chosen.state and f"state: {chosen.state}",
        "profiler": chosen.profiler and f"profiler: {chosen.profiler}",
        "since": WINDOWS.get(chosen.since, "").lower(),
    }
    return [(text, to.profiles(**chosen.query(**{name: ""}))) for name, text in words.items() if text]


def _examples(site: Site) -> str:
    """Return what can be typed into the search here."""
    first = "dag:etl_* task:load" if "dag" in site.hosting.search_aliases else "name:etl*"
    return f"Search – or {first} outcome:failed status:interrupted peak>1GiB profiler:memray label.team:data"


def commands(site: Site) -> list[tuple[str, str]]:
    """Return what fills an empty store: words and a command."""
    ours = f"profilerkit run --store {shlex.quote(site.store)} script.py"
    return [*site.hosting.empty_commands, ("Record any Python program:", ours)]
