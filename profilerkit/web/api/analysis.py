"""Answer questions about many recordings: rankings, regressions, trends, comparisons."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from profilerkit.catalog.values import Measure
from profilerkit.errors import NotFoundError, UsageError
from profilerkit.views import time_json
from profilerkit.web import compare as comparing
from profilerkit.web.api import models
from profilerkit.web.api.answers import NOT_READY, unready
from profilerkit.web.api.recordings import Viewing, as_model, clean
from profilerkit.web.delivery import packed
from profilerkit.web.site import site_of
from profilerkit.web.told import read_packed
from profilerkit.web.trend import asked_series

UNITS = {Measure.PEAK.value: "bytes", Measure.CPU.value: "seconds", Measure.DURATION.value: "seconds"}
RUNS = 200

router = APIRouter(tags=["analysis"])
Since = Annotated[datetime | None, Query(description="Only what started at this time or later.")]
Id = Annotated[str, Query(description="The id of a recording, or a unique beginning of one.", max_length=200)]


@router.get("/ranking")
def ranking(
    request: Request,
    viewer: Viewing,
    measure: Measure = Measure.PEAK,
    since: Since = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 10,
) -> models.Ranking:
    """Return the subjects with the highest values."""
    site = site_of(request)
    site.freshness.refresh()
    ranked = site.catalog.ranking(measure, scope=viewer.scope, since=_utc(since), limit=limit)
    subjects = [
        models.Ranked(
            kind=each.series.kind,
            names=clean(dict(each.series.names)),
            value=each.value,
            limit_bytes=each.row.limit_bytes,
            recording=as_model(each.row.recording),
        )
        for each in ranked
    ]
    return models.Ranking(measure=measure.value, unit=UNITS[measure.value], subjects=subjects)


@router.get("/regressions")
def regressions(
    request: Request,
    viewer: Viewing,
    since: Since = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> models.Regressions:
    """Return whose last run took at least 15 % more than the median of the 10 before."""
    site = site_of(request)
    site.freshness.refresh()
    found = site.catalog.regressions(scope=viewer.scope, since=_utc(since), limit=limit)
    return models.Regressions(
        regressions=[
            models.Regression(
                kind=each.series.kind,
                names=clean(dict(each.series.names)),
                measure=each.measure.value,
                recording_id=clean(each.run.id),
                value=each.value,
                usual=each.usual,
                runs=each.runs,
                ratio=each.ratio,
                history=list(each.history),
            )
            for each in found
        ]
    )


@router.get("/trend")
def trend(
    request: Request,
    viewer: Viewing,
    kind: Annotated[str, Query(description="The subject's kind; its names are further parameters.")],
) -> models.Trend:
    """Return the runs of a subject, the oldest first."""
    site = site_of(request)
    site.freshness.refresh()
    series = asked_series(request)
    if series is None:
        raise UsageError("No subject is named.", "Give its kind and its names.")
    runs = site.catalog.trend(series, scope=viewer.scope, limit=RUNS)
    if not runs:
        raise NotFoundError("There is no run of it here.")
    points = [
        models.TrendPoint(
            id=clean(run.id),
            started_at=time_json(run.started_at),
            peak_rss_bytes=run.peak_rss_bytes,
            cpu_seconds=run.cpu_seconds,
            duration_seconds=run.duration_seconds,
            limit_bytes=run.limit_bytes,
            status=run.status.value,
            outcome=None if run.outcome is None else run.outcome.value,
            recordings=run.recordings,
            versions=clean(dict(run.versions)),
            versions_changed=run.versions_changed,
            outlier=bool(run.outliers),
            outliers=sorted(each.value for each in run.outliers),
        )
        for run in runs
    ]
    return models.Trend(kind=series.kind, names=clean(dict(series.names)), units=UNITS, points=points)


@router.get("/compare", responses=NOT_READY, response_model=models.Comparison)
def compare(request: Request, viewer: Viewing, a: Id, b: Id) -> Any:
    """Return what differs between two recordings."""
    site = site_of(request)
    state = comparing.ask(site, site.find(a, viewer), site.find(b, viewer))
    waiting = unready(state)
    if waiting is not None:
        return waiting
    found = read_packed(state, "comparison.json.gz")
    return models.Comparison(**clean({**found, "flamegraphs": state.result.get("flames", [])}))


@router.get("/compare/flamegraph", responses=NOT_READY, response_model=models.Flamegraph)
def compare_flamegraph(
    request: Request, viewer: Viewing, a: Id, b: Id, profiler: Annotated[str, Query(max_length=200)]
) -> Response:
    """Return the stacks of both as one tree: `self`, `total` of B and `base_self`, `base_total` of A."""
    site = site_of(request)
    state = comparing.ask(site, site.find(a, viewer), site.find(b, viewer))
    waiting = unready(state)
    if waiting is not None:
        return waiting
    flames = list(state.result.get("flames", ()))
    if profiler not in flames:
        raise NotFoundError(f"There are no stacks of {profiler[:80]!r} in both recordings.")
    path = state.folder / f"flame-{flames.index(profiler)}.json.gz"
    return packed(request, path, media_type="application/json", headers={})


def _utc(time: datetime | None) -> datetime | None:
    if time is None:
        return None
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
