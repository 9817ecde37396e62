"""Define the tables of a catalog.

What many rows are looked at for is in numbers, in small rows of its own; texts are kept once, names as JSON
in ASCII, since SQLite takes no half of a surrogate pair. Times are microseconds since 1970.
"""

from __future__ import annotations

from profilerkit import model

FORMAT = f"5 of {model.FORMAT}"
"""Of the tables and of the events in them. A catalog of another format is made anew."""

STATUSES = tuple(model.Status)
OUTCOMES = tuple(model.Outcome)
"""Status and outcome are stored as places in these; an outcome that is not known yet as null."""

NOT_SUCCESS = f"outcome IS NOT {OUTCOMES.index(model.Outcome.SUCCESS)}"
NOT_COMPLETE = f"status != {STATUSES.index(model.Status.COMPLETE)}"
"""Most recordings are complete and of a success; there is an index of the others alone."""

RECORDING_COLUMNS = {
    "number": "INTEGER PRIMARY KEY",  # rises with the time in the id
    "visible": "INTEGER",  # the group in which it is seen: that of the root of its parents; null if unknown
    "series": "INTEGER NOT NULL",
    "run": "INTEGER",  # null where the subject has none
    "map_index": "TEXT",
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

MEASURES = ("peak_rss_bytes", "cpu_seconds", "duration_seconds")
SORTED = ("started_at", *MEASURES)

GROUP_COLUMNS = {
    "id": "INTEGER PRIMARY KEY",
    "kind": "TEXT NOT NULL",
    "name": "TEXT NOT NULL",
    # Nothing that is seen in it, of what counts or was deleted, has more or less.
    **{f"{side}_{each}": "REAL" for each in SORTED for side in ("most", "least")},
}
SERIES_COLUMNS = {
    "id": "INTEGER PRIMARY KEY",
    "kind": "TEXT NOT NULL",
    "names": "TEXT NOT NULL",
    "text": "TEXT NOT NULL",  # what words are looked for in
    "visible": "INTEGER NOT NULL",  # its group
    "latest": "INTEGER",  # when its last run began, and how much more that took than usual, as a share
    "peak_rss_bytes": "REAL",
    "cpu_seconds": "REAL",
    "duration_seconds": "REAL",
}


def _table(name: str, columns: dict[str, str]) -> str:
    return f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})"


TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # What was read of the journal; `readable` is 0 where nothing could be made of it, null until it is read.
    "CREATE TABLE seen (id INTEGER PRIMARY KEY, source TEXT NOT NULL, readable INTEGER)",
    _table("groups", GROUP_COLUMNS),
    _table("series", SERIES_COLUMNS),
    # `run_id` and `try_number` are JSON, empty where there is none.
    "CREATE TABLE runs ("
    "id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, try_number TEXT NOT NULL, text TEXT NOT NULL)",
    # Labels, profilers and versions, of which many recordings have the same.
    "CREATE TABLE traits (id INTEGER PRIMARY KEY, content TEXT NOT NULL)",
    _table("recordings", RECORDING_COLUMNS),
    # The event that counts, of deleted recordings too; `id` is escaped as in keys, a higher `place` wins.
    "CREATE TABLE events (number INTEGER PRIMARY KEY, id TEXT NOT NULL, place BLOB NOT NULL,"
    " kind TEXT NOT NULL, source INTEGER NOT NULL, event BLOB)",
)
CONTENT = ("seen", "groups", "series", "runs", "traits", "recordings", "events")
"""The tables of what comes from the journal."""
KEYS = {
    "seen": ("source",),
    "groups": ("kind", "name"),
    "series": ("kind", "names"),
    "runs": ("run_id", "try_number"),
    "traits": ("content",),
}
"""By what a row of a table is known beside its id."""

_LOOKED_AT = "series, run, traits, outcome, status"
"""What is looked at on the way along an index, without a look at the rows."""

EARLY_INDEXES = (
    *(f"CREATE UNIQUE INDEX {table}_by_key ON {table} ({', '.join(key)})" for table, key in KEYS.items()),
)
"""Of what is asked for while rows are written."""
LATE_INDEXES = (
    *(f"CREATE INDEX worse_by_{each} ON series ({each}) WHERE {each} IS NOT NULL" for each in MEASURES),
    "CREATE UNIQUE INDEX events_by_id ON events (id)",
    *(f"CREATE INDEX by_{each} ON recordings ({each}, number, visible, {_LOOKED_AT})" for each in SORTED),
    "CREATE INDEX by_visible ON recordings"
    f" (visible, started_at, number, {_LOOKED_AT}, silent_after, parent, {', '.join(MEASURES)})",
    # It has all that runs are compared by: every row is looked at for that when a catalog is made.
    "CREATE INDEX by_series ON recordings (series, started_at, number, visible, parent, run, map_index,"
    f" traits, outcome, status, silent_after, {', '.join(MEASURES)})",
    "CREATE INDEX by_run ON recordings (run)",
    "CREATE INDEX by_traits ON recordings (traits)",
    *(
        f"CREATE INDEX {name} ON recordings ({column}, started_at, number, visible, {_LOOKED_AT},"
        f" silent_after, {', '.join(MEASURES)}) WHERE {where}"
        for name, column, where in (
            ("by_outcome", "outcome", NOT_SUCCESS),
            ("by_status", "status", NOT_COMPLETE),
        )
    ),
    "CREATE INDEX by_parent ON recordings (parent) WHERE parent IS NOT NULL",
)
"""What can be made when all rows are there."""

_OF_GROUP = ", ".join(
    f"{side}_{each} = coalesce({function}(coalesce({side}_{each}, new.{each}), new.{each}), {side}_{each})"
    for each in SORTED
    for side, function in (("most", "max"), ("least", "min"))
)
BOUNDS = (
    f"UPDATE groups SET ({', '.join(f'most_{each}, least_{each}' for each in SORTED)}) ="
    f" (SELECT {', '.join(f'max({each}), min({each})' for each in SORTED)}"
    " FROM recordings INDEXED BY by_visible WHERE visible = groups.id)",
    *(
        f"CREATE TRIGGER bounds_after_{name} AFTER {what} ON recordings WHEN new.visible IS NOT NULL"
        f" BEGIN UPDATE groups SET {_OF_GROUP} WHERE id = new.visible; END"
        for name, what in (("insert", "INSERT"), ("update", "UPDATE OF visible"))
    ),
)
"""What finds the bounds of groups, and keeps them from then on."""
