"""Say which recordings are wanted: as conditions on rows, and as a test of one recording."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen

from profilerkit.catalog.rows import any_name_fits, microseconds
from profilerkit.keys import escape
from profilerkit.model import Outcome, Recording, Status

SHOWN_STATUS = f"CASE WHEN silent_after < :now THEN '{Status.INTERRUPTED.value}' ELSE status END"
SHOWN_OUTCOME = f"CASE WHEN silent_after < :now THEN '{Outcome.UNKNOWN.value}' ELSE outcome END"


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
    without: tuple[str, ...] = ()
    """Ids that are left out."""

    def fits(self, recording: Recording) -> bool:
        """Tell whether a recording, as it is shown, is wanted."""
        labels = {f"{key}={value}" for key, value in recording.labels.items()}
        return (
            (self.name is None or any_name_fits(recording.subject.names.values(), self.name))
            and self.kind in (None, recording.subject.kind)
            and self.status in (None, recording.status)
            and self.outcome in (None, recording.outcome)
            and all(f"{key}={value}" in labels for key, value in self.labels)
            and (self.id_prefix is None or recording.id.startswith(self.id_prefix))
            and recording.id not in self.without
        )

    def where(self, now: datetime) -> tuple[str, dict[str, Any]]:
        """Return the condition on rows of the table `recordings`, and its parameters."""
        found: list[str] = ["event_kind != 'deleted'"]
        values: dict[str, Any] = {"now": microseconds(now)}

        def add(condition: str, *parameters: str | bytes) -> None:
            names = [f"p{len(values) + number}" for number in range(len(parameters))]
            values.update(zip(names, parameters, strict=True))
            found.append(condition.format(*(f":{each}" for each in names)))

        if self.name is not None:
            add("names_fit(names, {})", _utf8(self.name))
        if self.kind is not None:
            add("kind = CAST({} AS TEXT)", _utf8(self.kind))
        if self.status is not None:
            add(f"{SHOWN_STATUS} = {{}}", self.status.value)
        if self.outcome is not None:
            add(f"{SHOWN_OUTCOME} = {{}}", self.outcome.value)
        for key, value in self.labels:
            add("has_label(labels, {})", _utf8(f"{key}={value}"))
        if self.id_prefix is not None:
            # What a prefix is escaped to begins the escaped id, but for its end, which may be a dot.
            prefix = escape(self.id_prefix + "x", 1000)[:-1] if self.id_prefix else ""
            add("recording >= {} AND recording < {}", prefix, prefix + "~")
        if self.without:
            names = ", ".join("{}" for _ in self.without)
            add(f"recording NOT IN ({names})", *(escape(each, 64) for each in self.without))
        return " AND ".join(found), values


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
