"""Find texts by a part of them: through a full-text index where SQLite has one, else by looking at all."""

from __future__ import annotations

import contextlib
import sqlite3

TABLES = ("series", "runs")
"""Those whose column `text` can be searched."""
GRAM = 3
"""The index knows all parts of so many characters; it has no answer for shorter words."""

MOST_GRAMS = 30
"""So many of a word are looked for; the text itself is looked at then."""


def index_words(connection: sqlite3.Connection) -> None:
    """Make the indexes of texts, which follow from then on; none where SQLite cannot."""
    with contextlib.suppress(sqlite3.OperationalError):
        # Each text is stored once, in its table: what may have a word is looked at there.
        for table in TABLES:
            connection.execute(
                f"CREATE VIRTUAL TABLE {table}_words USING fts5("
                "text, content='', columnsize=0, detail='none', tokenize='trigram')"
            )
        for table in TABLES:
            connection.execute(f"INSERT INTO {table}_words (rowid, text) SELECT id, text FROM {table}")
            connection.execute(
                f"CREATE TRIGGER {table}_are_searched AFTER INSERT ON {table} BEGIN"
                f" INSERT INTO {table}_words (rowid, text) VALUES (new.id, new.text); END"
            )


def matching(connection: sqlite3.Connection, table: str, word: str) -> str | None:
    """Return what matches, in the index of a table, all texts with a word, folded; None where none can."""
    if len(word) < GRAM or not _is_indexed(connection, table):
        return None
    grams = {word[place : place + GRAM] for place in range(len(word) - GRAM + 1)}
    return " ".join('"{}"'.format(each.replace('"', '""')) for each in sorted(grams)[:MOST_GRAMS])


def _is_indexed(connection: sqlite3.Connection, table: str) -> bool:
    statement = "SELECT 1 FROM sqlite_master WHERE name = ?"
    return connection.execute(statement, (f"{table}_words",)).fetchone() is not None
