"""Say which recordings are wanted, and test one for it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from attrs import frozen

from profilerkit.catalog.texts import any_fits, named_fits, subject_fits, word_fits
from profilerkit.catalog.values import measured
from profilerkit.model import Outcome, Recording, Status

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


class Field(str, Enum):
    """What of a recording can be compared with a number or a time, and sorted by."""

    STARTED = "started_at"
    PEAK = "peak_rss_bytes"
    CPU = "cpu_seconds"
    DURATION = "duration_seconds"


@frozen
class Bound:
    """A comparison of one field; a recording without a value has none that fits."""

    field: Field
    comparison: str
    """One of `<`, `<=`, `>`, `>=`, `=`."""
    value: float | datetime

    def fits(self, recording: Recording) -> bool:
        """Tell whether a recording is on the right side."""
        found = recording.started_at if self.field is Field.STARTED else measured(recording, self.field.value)
        return found is not None and COMPARISONS[self.comparison](found, self.value)


@frozen
class Query:
    """Which recordings are wanted; each part that is given narrows it. Status and outcome are as shown."""

    name: str | None = None
    """A glob that one of the subject's names fits."""
    kind: str | None = None
    status: Status | None = None
    outcome: Outcome | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Each of them with its value."""
    id_prefix: str | None = None
    ids: tuple[str, ...] | None = None
    """Only these."""
    without: tuple[str, ...] = ()
    """Ids that are left out."""
    words: tuple[str, ...] = ()
    """Each is part of one of the names; case does not count."""
    names: tuple[tuple[str | None, str], ...] = ()
    """Names of the subject, each with a glob that it fits: `("dag_id", "etl_*")`; None is any name."""
    label_globs: tuple[tuple[str, str], ...] = ()
    """Labels, each with a glob that its value fits."""
    profilers: tuple[str, ...] = ()
    """Globs; each is fitted by one of the profilers that were asked for."""
    bounds: tuple[Bound, ...] = ()

    def fits(self, recording: Recording) -> bool:
        """Tell whether a recording, as it is shown, is wanted."""
        names = recording.subject.names
        labels = {f"{key}={value}" for key, value in recording.labels.items()}
        return (
            (self.name is None or subject_fits(names, None, self.name))
            and self.kind in (None, recording.subject.kind)
            and self.status in (None, recording.status)
            and self.outcome in (None, recording.outcome)
            and all(f"{key}={value}" in labels for key, value in self.labels)
            and (self.id_prefix is None or recording.id.startswith(self.id_prefix))
            and (self.ids is None or recording.id in self.ids)
            and recording.id not in self.without
            and all(word_fits(names, word) for word in self.words)
            and all(subject_fits(names, name, pattern) for name, pattern in self.names)
            and all(named_fits(recording.labels, key, pattern) for key, pattern in self.label_globs)
            and all(any_fits((each.profiler for each in recording.captures), glob) for glob in self.profilers)
            and all(each.fits(recording) for each in self.bounds)
        )
