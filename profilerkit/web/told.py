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
    state = site.workshop.ask(Order("overview", (event,)), wait_seconds=wait_seconds)
    if state.state == READY:
        try:
            found = read_packed(state, "overview.json.gz")
            whole = attrs.evolve(event, recording=recording_from_json(found["recording"].encode()))
            return Told(event, as_shown(whole), state, found)
        except FileNotFoundError:  # it was removed meanwhile
            state = attrs.evolve(state, state=RENDERING)
    return Told(event, as_shown(event), state, None)


def read_packed(state: State, name: str) -> dict[str, Any]:
    """Return the JSON in a file that a job wrote."""
    found: dict[str, Any] = json.loads(gzip.decompress((state.folder / name).read_bytes()))
    return found
