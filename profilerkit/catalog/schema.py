"""Define the tables of a catalog.

What many rows are looked at for is in numbers, in small rows of its own; texts are kept once, as JSON in
ASCII, since SQLite takes no half of a surrogate pair. Times are microseconds since 1970.
"""

from __future__ import annotations

from profilerkit import model

FORMAT = f"2 of {model.FORMAT}"
"""Of the tables and of the events in them. A catalog of another format is made anew."""

STATUSES = tuple(model.Status)
OUTCOMES = tuple(model.Outcome)
"""Status and outcome are stored as places in these; an outcome that is not known yet as null."""

RECORDING_COLUMNS = {
    "number": "INTEGER PRIMARY KEY",  # rises with the time in the id
    "visible": "INTEGER",  # the group in which it is seen: that of the root of its parents; null if unknown
    "series": "INTEGER NOT NULL",
    "run": "INTEGER NOT NULL",
    "traits": "INTEGER NOT NULL",
    "status": "INTEGER NOT NULL",  # as stored: a running one is interrupted after `silent_after`
    "outcome": "INTEGER",
    "silent_after": "INTEGER",
    "started_at": "INTEGER NOT NULL",
    "peak_rss_bytes": "REAL",
    "cpu_seconds": "REAL",
    "duration_seconds": "REAL",
    "limit_bytes": "REAL",
    "parent": "TEXT",  # its id, escaped
}
"""Of recordings that were not deleted."""

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # What was read of the journal; `readable` is 0 where nothing could be made of it.
    "CREATE TABLE seen (source TEXT PRIMARY KEY, readable INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE groups (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL)",
    # `text` is what words are looked for in.
    "CREATE TABLE series ("
    "id INTEGER PRIMARY KEY, kind TEXT NOT NULL, names TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, names TEXT NOT NULL, text TEXT NOT NULL)",
    # Labels, profilers and versions, of which many recordings have the same.
    "CREATE TABLE traits (id INTEGER PRIMARY KEY, content TEXT NOT NULL)",
    "CREATE TABLE recordings ("
    + ", ".join(f"{name} {kind}" for name, kind in RECORDING_COLUMNS.items())
    + ")",
    # The event that counts, of deleted recordings too; `id` is escaped as in keys, a higher `rank` wins.
    "CREATE TABLE events (number INTEGER PRIMARY KEY, id TEXT NOT NULL, rank BLOB NOT NULL,"
    " kind TEXT NOT NULL, source TEXT NOT NULL, event BLOB)",
)
CONTENT = ("seen", "groups", "series", "runs", "traits", "recordings", "events")
"""The tables of what comes from the journal."""
UNIQUE = (
    "CREATE UNIQUE INDEX groups_by_name ON groups (kind, name)",
    "CREATE UNIQUE INDEX series_by_names ON series (kind, names)",
    "CREATE UNIQUE INDEX runs_by_names ON runs (names)",
    "CREATE UNIQUE INDEX traits_by_content ON traits (content)",
    "CREATE UNIQUE INDEX events_by_id ON events (id)",
)
SORTED = ("started_at", "peak_rss_bytes", "cpu_seconds", "duration_seconds")
INDEXES = (
    *(f"CREATE INDEX by_{each} ON recordings ({each})" for each in SORTED),
    *(f"CREATE INDEX visible_by_{each} ON recordings (visible, {each})" for each in SORTED),
    "CREATE INDEX by_series ON recordings (series, started_at)",
    "CREATE INDEX by_run ON recordings (run)",
    "CREATE INDEX by_parent ON recordings (parent) WHERE parent IS NOT NULL",
)
SCHEMA = (*TABLES, *UNIQUE, *INDEXES)
