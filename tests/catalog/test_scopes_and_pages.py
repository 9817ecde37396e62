"""Check that a catalog shows what may be seen and nothing else, in the order that was asked for."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profilerkit.archive import Archive
from profilerkit.catalog import comparing, filters, finding, parts
from profilerkit.catalog.catalog import Catalog
from profilerkit.catalog.query import Field, Query
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.values import Measure, measured
from profilerkit.errors import NotFoundError
from profilerkit.localstore import LocalStore
from profilerkit.model import EventKind, Recording
from tests.catalog.strategies import NOW, Expected, an_event, families, in_order, queries, scopes

KINDS = (EventKind.RUNNING, EventKind.FINAL, EventKind.FINAL, EventKind.FINAL, EventKind.DELETED)
ways = st.sampled_from(
    (
        ("gather", 6000, 0, 0, 0, 4000),
        ("walk", 0, 0, 1500, 0, 4000),
        ("groups", 0, 0, 0, 1500, 4000),
        ("gather many", 0, 6000, 0, 0, 4000),
        ("gather by rows", 6000, 0, 0, 0, 0),
        ("give up", 0, 0, 0, 0, 0),
    )
)
"""How rows are found: what is few, what is many, how long indexes are followed, how large sets may be."""


@contextmanager
def a_catalog(
    family: Sequence[Recording], data: Any, way: tuple[str, int, int, int, int, int]
) -> Iterator[tuple[Archive, Catalog]]:
    """Give a catalog that has read the events of some recordings in two parts, in any order."""
    _, few, many, steps, group_steps, most_in_set = way
    events = [
        an_event(each, data.draw(st.sampled_from(KINDS)), revision)
        for each in family
        for revision in range(data.draw(st.integers(1, 2)))
    ]
    events = data.draw(st.permutations(events))
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "FEW", few)
        patch.setattr(finding, "FEW_COVERED", few)
        patch.setattr(finding, "MANY", many)
        patch.setattr(finding, "COUNT_STEPS", steps)
        patch.setattr(finding, "GROUP_STEPS", group_steps)
        patch.setattr(filters, "MOST_IN_SET", most_in_set)
        # Small sets are looked at in part first too, and groups are compared with what was found in others.
        patch.setattr(parts, "LARGE", 2)
        patch.setattr(parts, "SAMPLED", 1)
        patch.setattr(finding, "AT_ONCE", 1)
        patch.setattr(comparing, "FEW", few)
        for module in (finding, comparing):
            patch.setattr(module, "MOST_STEPS", steps)
        folder = Path(name).resolve()
        archive = Archive(LocalStore(folder / "store"))
        catalog = Catalog.at(folder / "catalogs", archive, "0123456789abcdef")
        middle = data.draw(st.integers(0, len(events)))
        for part in (events[:middle], events[middle:]):
            for event in part:
                archive.journal.append(event)
            catalog.sync()
        yield archive, catalog
        catalog.close()


def property_of_families(**more: Any) -> Any:
    """Return the settings of a property of catalogs."""

    def decorate(function: Any) -> Any:
        slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
        limited = settings(max_examples=60, deadline=None, suppress_health_check=slow)
        return limited(given(family=families(), scope=scopes, way=ways, data=st.data(), **more)(function))

    return decorate


def pages(catalog: Catalog, query: Query, scope: Scope, limit: int, **order: Any) -> Iterator[Any]:
    """Yield all pages of a list."""
    after = None
    while True:
        page = catalog.page(query, scope=scope, limit=limit, after=after, **order)
        yield page
        after = page.next
        if after is None:
            return


@property_of_families(
    query=queries, field=st.sampled_from(Field), descending=st.booleans(), limit=st.integers(1, 4)
)
def test_pages_are_the_list_and_the_list_is_what_may_be_seen(
    family: list[Recording],
    scope: Scope,
    way: Any,
    query: Query,
    field: Field,
    descending: bool,
    limit: int,
    data: Any,
) -> None:
    """One after the other, without a gap or a repetition, whichever way rows are found."""
    with a_catalog(family, data, way) as (archive, catalog):
        wanted = Expected(archive.recordings(), scope).wanted(query)
        found = list(pages(catalog, query, scope, limit, sort=field, descending=descending))
        ids = [row.recording.id for page in found for row in page.rows]
        assert ids == in_order(wanted, field, descending=descending)
        assert all(len(page.rows) == limit for page in found[:-1])
        if way[0] == "walk":
            assert [(page.total, page.capped) for page in found] == [(len(wanted), False)] * len(found)
        assert catalog.count(query, scope=scope) == len(wanted)
        assert {each.recording.id for each in catalog.select(query, scope=scope)} == set(ids)


@property_of_families()
def test_only_what_may_be_seen_is_found_by_its_id(
    family: list[Recording], scope: Scope, way: Any, data: Any
) -> None:
    """What is not there and what may not be seen is refused in the same words."""
    with a_catalog(family, data, way) as (archive, catalog):
        visible = {each.recording.id for each in Expected(archive.recordings(), scope).visible()}
        for recording in family:
            try:
                found = catalog.find(recording.id, scope=scope).recording.id
            except NotFoundError as error:
                assert str(error) == f"There is no recording '{recording.id}' here."
                found = ""
            assert found == (recording.id if recording.id in visible else "")


@property_of_families(
    measure=st.sampled_from(Measure), limit=st.integers(1, 4), hours=st.sampled_from((None, 10, 40))
)
def test_the_ranking_is_of_what_may_be_seen(
    family: list[Recording],
    scope: Scope,
    way: Any,
    measure: Measure,
    limit: int,
    hours: int | None,
    data: Any,
) -> None:
    """Each series once, with its highest recording in the window, and no child processes."""
    since = None if hours is None else NOW - timedelta(hours=hours)
    with a_catalog(family, data, way) as (archive, catalog):
        found = catalog.ranking(measure, scope=scope, since=since, limit=limit)
        best: dict[str, float] = {}
        for event in Expected(archive.recordings(), scope).visible():
            recording = event.recording
            value = measured(recording, measure.value)
            if value is None or recording.parent_id is not None or (since and recording.started_at < since):
                continue
            name = repr((recording.subject.kind, sorted(recording.subject.series.names.items())))
            best[name] = max(value, best.get(name, value))
        assert [each.value for each in found] == sorted(best.values(), reverse=True)[:limit]
        for each in found:
            name = repr((each.series.kind, sorted(each.series.names.items())))
            assert each.value == best.pop(name) == measured(each.row.recording, measure.value)


@property_of_families()
def test_trends_regressions_and_relatives_are_of_what_may_be_seen(
    family: list[Recording], scope: Scope, way: Any, data: Any
) -> None:
    """A run is made of what may be seen, and a regression is what the trend of its series shows."""
    with a_catalog(family, data, way) as (archive, catalog):
        expected = Expected(archive.recordings(), scope)
        visible = {each.recording.id for each in expected.visible()}
        regressions = set()
        for series in {str(each.subject.series.names): each.subject.series for each in family}.values():
            runs = catalog.trend(series, scope=scope)
            own = [
                each
                for each in expected.visible()
                if each.recording.subject.series == series and each.recording.parent_id is None
            ]
            assert {each.id for each in runs} <= {each.recording.id for each in own}
            assert sum(each.recordings for each in runs) == len(own)
            regressions |= {
                (str(series.names), series.kind, measure)
                for measure in Measure
                if runs and rises(runs[-1].of(measure), list(runs[:-1]), measure)
            }
        found = catalog.regressions(scope=scope, limit=100)
        assert {(str(each.series.names), each.series.kind, each.measure) for each in found} == regressions
        for event in expected.events:
            relatives = [each.recording.id for each in catalog.related(event.recording, scope=scope)]
            assert len(relatives) == len(set(relatives))
            assert set(relatives) <= visible - {event.recording.id}


def rises(value: float | None, before: Sequence[Any], measure: Measure) -> bool:
    """Tell whether a value is much more than the median of the last successful runs."""
    good = [each for each in before if each.outcome is not None and each.outcome.value == "success"][-10:]
    known = [each.of(measure) for each in good if each.of(measure) is not None]
    if value is None or len(known) < 3:
        return False
    usual = statistics.median(known)
    least = {Measure.PEAK: 1 << 20, Measure.CPU: 0.1, Measure.DURATION: 1.0}[measure]
    return usual > 0 and value >= usual * 1.15 and value - usual >= least
