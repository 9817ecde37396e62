"""Gather what is known of a recording at the moment, for its page and for the API."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import attrs

from profilerkit.catalog.values import as_shown
from profilerkit.codec import recording_from_json
from profilerkit.model import Event, Recording
from profilerkit.web.access import Viewer
from profilerkit.web.site import Site
from profilerkit.web.work import READY, RENDERING, Order, State

MOST_KEPT = 256
WAIT_SECONDS = 1.5
"""Small captures are read in less, and then the page comes whole at once."""


@attrs.frozen
class Told:
    """What is known of a recording."""

    event: Event
    recording: Recording
    """As it is shown now; without environment and roots as long as it was not read."""
    state: State
    """How far the reading of its captures is."""
    overview: Mapping[str, Any] | None
    """What was read; see `overview.py`."""

    @property
    def hot(self) -> list[dict[str, Any]]:
        """Return the tables of hot frames."""
        return list(self.overview["hot"]) if self.overview is not None else []

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Return the reports that can be had."""
        return list(self.overview["reports"]) if self.overview is not None else []


def tell(site: Site, recording_id: str, viewer: Viewer, *, wait_seconds: float = WAIT_SECONDS) -> Told:
    """Return what is known of a recording, and have its captures read if they are not.

    Raises NotFoundError when it is not there, or this viewer may not see it.
    """
    event = site.find(recording_id, viewer)
    state = overview_of(site, event, wait_seconds=wait_seconds)
    if state.state == READY:
        try:
            found = read_packed(state, "overview.json.gz")
            return Told(event, as_shown(attrs.evolve(event, recording=_whole(found, event))), state, found)
        except FileNotFoundError:  # it was removed meanwhile
            site.overviews.pop(event.recording.id, None)
            state = attrs.evolve(state, state=RENDERING)
    return Told(event, as_shown(event), state, None)


def overview_of(site: Site, event: Event, *, wait_seconds: float = 0.0) -> State:
    """Return how far the reading of a recording's captures is.

    While those of a newer revision are read, what was read of the one before is ready: a recording that
    runs has a new one every minute, and its page does not come and go.
    """
    recording_id = event.recording.id
    before = site.overviews.get(recording_id)
    state = site.workshop.ask(
        Order("overview", (event,)), wait_seconds=0.0 if before is not None else wait_seconds
    )
    if state.state == READY:
        site.overviews[recording_id] = state
        while len(site.overviews) > MOST_KEPT:
            site.overviews.pop(next(iter(site.overviews)), None)
    elif state.state == RENDERING and before is not None:
        return before
    return state


def _whole(overview: Mapping[str, Any], event: Event) -> Recording:
    """Return the recording that was read, with what the newest event says of how it goes."""
    read: Recording = recording_from_json(overview["recording"].encode())
    now = event.recording
    if read.revision >= now.revision:
        return read
    known = {name: value for name, value in now.summary.items() if value is not None}
    return attrs.evolve(
        read,
        status=now.status,
        outcome=now.outcome,
        ended_at=now.ended_at,
        alive_at=now.alive_at,
        evidence=now.evidence,
        warnings=now.warnings,
        summary={**read.summary, **known},
    )


def read_packed(state: State, name: str) -> dict[str, Any]:
    """Return the JSON in a file that a job wrote."""
    found: dict[str, Any] = json.loads(gzip.decompress((state.folder / name).read_bytes()))
    return found
