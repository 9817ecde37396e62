"""Draw recordings that resemble each other in all that a catalog looks at, and say what should be found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from attrs import evolve, frozen
from hypothesis import strategies as st

from profilerkit.catalog.entries import number_of
from profilerkit.catalog.query import Bound, Field, Query
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.values import as_shown, measured
from profilerkit.ids import uuid7
from profilerkit.journal import brief
from profilerkit.keys import recording_key
from profilerkit.model import Capture, Event, EventKind, Outcome, Recording, Status, Subject

NOW = datetime.now(timezone.utc)
ODD = 'ä\n\0\ud800"]*?[x'
GROUPS = ("etl", "Etl_2", ODD)
TASKS = ("load", "LOAD_x", ODD)
STATES = (
    (Status.RUNNING, None), (Status.COMPLETE, Outcome.SUCCESS), (Status.COMPLETE, Outcome.SUCCESS),
    (Status.COMPLETE, Outcome.FAILED), (Status.PARTIAL, Outcome.SKIPPED),
    (Status.INTERRUPTED, Outcome.KILLED), (Status.INTERRUPTED, Outcome.UNKNOWN),
    (Status.COMPLETE, Outcome.DEFERRED),
)  # fmt: skip
VALUES = (None, 0.0, 1e9, 1e9, 2.5e9, 1e9 + 1)


@st.composite
def subjects(draw: Any) -> Subject:
    """Draw what is profiled."""
    group = draw(st.sampled_from(GROUPS))
    if draw(st.integers(0, 3)) == 0:
        return Subject("script", {"name": group} if draw(st.booleans()) else {})
    names = {"dag_id": group, "run_id": draw(st.sampled_from(("r1", "r2", ODD)))}
    names["task_id"] = draw(st.sampled_from(TASKS))
    if draw(st.booleans()):
        names |= {"map_index": draw(st.sampled_from("012")), "try_number": draw(st.sampled_from("12"))}
    return Subject("task", names)


@st.composite
def recordings(draw: Any, parents: Sequence[str] = ()) -> Recording:
    """Draw a recording, which may be a child."""
    status, outcome = draw(st.sampled_from(STATES))
    started_at = NOW - timedelta(hours=draw(st.integers(0, 60)))
    seconds = draw(st.sampled_from((0, 0, 60, 90)))
    alive_at = draw(st.sampled_from((None, NOW + timedelta(hours=1), NOW - timedelta(hours=1))))
    return Recording(
        uuid7(),
        draw(subjects()),
        status,
        outcome,
        started_at,
        None if status is Status.RUNNING else started_at + timedelta(seconds=seconds),
        alive_at,
        captures=tuple(
            Capture(each, Status.COMPLETE, versions={each: draw(st.sampled_from("12"))})
            for each in draw(st.sampled_from(((), ("cpu",), ("memray", "cpu"))))
        ),
        summary={each: draw(st.sampled_from(VALUES)) for each in ("peak_rss_bytes", "cpu_seconds")},
        labels=draw(st.sampled_from(({}, {"team": "data"}, {ODD: ODD, "team": "x"}))),
        parent_id=draw(st.sampled_from((None, None, None, "unknown", *parents))),
    )


@st.composite
def families(draw: Any) -> list[Recording]:
    """Draw some recordings; some are children of others, or of each other."""
    found: list[Recording] = []
    for _ in range(draw(st.integers(0, 9))):
        found.append(draw(recordings([each.id for each in found])))
    if len(found) > 1 and draw(st.integers(0, 4)) == 0:
        found[0] = evolve(found[0], parent_id=found[-1].id)
    return found


scopes = st.one_of(
    st.just(Scope.ALL),
    st.builds(
        Scope,
        groups=st.dictionaries(
            st.sampled_from(("task", "script", "trigger", "\ud800")),
            st.frozensets(st.sampled_from((*GROUPS, "", "other"))),
        ),
    ),
)

bounds = st.one_of(
    st.builds(
        Bound,
        st.sampled_from((Field.PEAK, Field.CPU, Field.DURATION)),
        st.sampled_from(("<", "<=", ">", ">=", "=")),
        st.sampled_from((0.0, 60.0, 1e9, 2e9)),
    ),
    st.builds(Bound, st.just(Field.STARTED), st.sampled_from("<>"), st.just(NOW - timedelta(hours=20))),
)
GLOBS = ("*", "etl", "[eE]tl*", "l?ad", "*\ud800*", "[", "[!x]*", "", "r1", ODD, "1")

queries = st.builds(
    Query,
    name=st.sampled_from((None, None, *GLOBS)),
    kind=st.sampled_from((None, None, "task", "script", "\ud800")),
    status=st.sampled_from((None, None, *Status)),
    outcome=st.sampled_from((None, None, *Outcome)),
    labels=st.sampled_from(((), (), (("team", "data"),), ((ODD, ODD),))),
    label_globs=st.sampled_from(((), (), (("team", "?*"),), ((ODD, "*"),))),
    words=st.lists(st.sampled_from(("etl", "LOA", "d", "\ud800", "oad_x", '"', "r1")), max_size=2).map(tuple),
    names=st.lists(
        st.tuples(
            st.sampled_from((None, "dag_id", "task_id", "run_id", "map_index", "try_number", "name")),
            st.sampled_from(GLOBS),
        ),
        max_size=2,
    ).map(tuple),
    profilers=st.sampled_from(((), (), ("cpu",), ("m*", "c*"))),
    bounds=st.lists(bounds, max_size=2).map(tuple),
) | st.just(Query())


def an_event(recording: Recording, kind: EventKind, revision: int = 0) -> Event:
    """Return an event of a recording."""
    return Event(uuid7(), kind, brief(evolve(recording, revision=revision)), recording_key(recording), NOW)


@frozen
class Expected:
    """What a catalog should answer, worked out of the events that count."""

    events: Sequence[Event]
    scope: Scope

    def visible(self) -> list[Event]:
        """Return the events of the recordings that may be seen."""
        by_id = {each.recording.id: each.recording for each in self.events}

        def may_be_seen(recording: Recording) -> bool:
            seen = set()
            while recording.parent_id is not None:
                if recording.id in seen or recording.parent_id not in by_id:
                    return self.scope.everything
                seen.add(recording.id)
                recording = by_id[recording.parent_id]
            return self.scope.allows(recording.subject)

        return [each for each in self.events if may_be_seen(each.recording)]

    def wanted(self, query: Query) -> list[Event]:
        """Return those that are wanted."""
        return [each for each in self.visible() if query.fits(as_shown(each))]


def in_order(events: Iterable[Event], field: Field, *, descending: bool) -> list[str]:
    """Return the ids of recordings, sorted."""
    sign = -1 if descending else 1

    def key(event: Event) -> tuple[bool, float, int]:
        recording = event.recording
        started = field is Field.STARTED
        value = recording.started_at.timestamp() if started else measured(recording, field.value)
        return value is None, sign * (value or 0.0), sign * number_of(recording.id)

    return [each.recording.id for each in sorted(events, key=key)]
