"""Keep a store small without being asked: at most once a day, by one process of all hosts that use it.

Runs as a process of its own by its path, which ship starts when its uploads are done and the ship lock
is free. Nobody waits for it, and nothing is lost when it is killed.

`maintenance.json` in the store holds the lease, and for how long recordings are to be kept: where
several settings use one store, the longest time that any asked for within the last month counts.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and sys.path[0].endswith("profilerkit"):
    del sys.path[0]  # this folder: its modules are not top-level ones

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from profilerkit import process
from profilerkit.archive import Archive
from profilerkit.codec import format_time, to_json
from profilerkit.compaction import compact
from profilerkit.errors import FormatError, NotFoundError, ProfilerKitError
from profilerkit.ids import uuid7
from profilerkit.interfaces import ResultStore
from profilerkit.model import FORMAT, parse_time
from profilerkit.retention import Rules, plan, prune

KEY = "maintenance.json"
LONGEST_BYTES = 1 << 20
SETTINGS = ("retention_days", "retention_days_resources")
DAY_SECONDS = 86_400.0
DEAD_AFTER = timedelta(hours=6)
"""A holder of the lease that has not said for so long that it is done was killed."""
WISHED_FOR = timedelta(days=30)
"""So long a setting counts after a host that has it was last here."""
SETTLE_SECONDS = 2.0
"""Whoever took the lease looks after so long whether somebody took it at the same time."""
CROWDED = 0.8
"""Of the container's memory limit: above, the room belongs to the programs in it."""

log = logging.getLogger("profilerkit.maintenance")


def maintain(
    archive: Archive, wanted: Mapping[str, float], *, settle_seconds: float = SETTLE_SECONDS
) -> bool:
    """Prune and compact a store if nobody did today and nobody wants it left alone; tell whether it was done.

    `wanted` are the settings of a recording in it, in days; 0 is for ever. Two at once do no harm.
    Raises StoreError, and FormatError for a store of a newer format, which is left as it is.
    """
    now = datetime.now(timezone.utc)
    kept = _read(archive.store)
    wishes = _wishes(kept["wishes"], wanted, now)
    days = {name: _longest(wishes[name]) for name in SETTINGS}
    if not any(days.values()) or not _is_free(kept["lease"], now):
        if wishes != kept["wishes"]:
            _write(archive.store, kept["lease"], wishes)
        return False
    lease = _lease(now)
    _write(archive.store, lease, wishes)
    time.sleep(settle_seconds)
    if _read(archive.store)["lease"].get("id") != lease["id"]:
        log.info("Another process takes care of the store.")
        return False
    _work(archive, days, _time_of(archive.store, now))
    lease["ended_at"] = format_time(datetime.now(timezone.utc))
    _write(archive.store, lease, _wishes(_read(archive.store)["wishes"], wanted, now))
    return True


def _work(archive: Archive, days: Mapping[str, float], now: datetime) -> None:
    limits = [days[name] * DAY_SECONDS if days[name] else None for name in SETTINGS]
    rules = Rules(limits[0], limits[1], since_arrival=True)
    gone = list(prune(archive, plan(archive, rules, now)))
    recordings = sum(each.event is not None for each in gone)
    freed = sum(each.size_bytes for each in gone)
    log.warning(
        "Deleted %d recordings and %d other things, %d bytes.", recordings, len(gone) - recordings, freed
    )
    done = compact(archive, now)
    log.warning("Compacted %d events of %d days.", done.copied, done.days)


def _is_free(lease: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether the lease can be taken: a day after it was, or when its holder was killed.

    One of the future is of a clock that went wrong, and holds nobody up for longer than one of now.
    """
    try:
        age = abs(now - parse_time(lease["begun_at"]))
        return age >= timedelta(seconds=DAY_SECONDS) or (lease["ended_at"] is None and age >= DEAD_AFTER)
    except (TypeError, KeyError, ValueError, AttributeError):
        return True


def _lease(now: datetime) -> dict[str, Any]:
    host = os.uname().nodename if hasattr(os, "uname") else ""
    return {
        "id": uuid7(), "host": host, "pid": os.getpid(), "begun_at": format_time(now), "ended_at": None
    }  # fmt: skip


def _wishes(kept: Mapping[str, Any], wanted: Mapping[str, float], now: datetime) -> dict[str, dict[str, str]]:
    """Return for each setting the values that were asked for lately, and when last; ours is one of them.

    A time is only renewed after a day, so that nothing has to be written each time.
    """
    found = {}
    for name in SETTINGS:
        known = {value: last for value, last in _items(kept.get(name)) if abs(now - last) < WISHED_FOR}
        ours = f"{float(wanted[name]):g}"
        if ours not in known or abs(now - known[ours]) > timedelta(seconds=DAY_SECONDS):
            known[ours] = now
        found[name] = {value: format_time(last) for value, last in known.items()}
    return found


def _items(wishes: Any) -> Iterator[tuple[str, datetime]]:
    for value, last in wishes.items() if isinstance(wishes, dict) else ():
        with contextlib.suppress(TypeError, ValueError, AttributeError):
            if float(value) >= 0:
                yield value, parse_time(last).astimezone(timezone.utc)


def _longest(wishes: Mapping[str, str]) -> float:
    """Return the longest of some numbers of days; 0 is for ever."""
    days = [float(each) for each in wishes]
    return 0.0 if 0.0 in days else max(days)


def _time_of(store: ResultStore, now: datetime) -> datetime:
    """Return the time by our clock or the store's, whichever is earlier: a wrong one deletes nothing."""
    times = (each.modified_at for each in store.list(KEY) if each.key == KEY)
    return min([now, *(each for each in times if each is not None)])


def _read(store: ResultStore) -> dict[str, dict[str, Any]]:
    """Return lease and wishes, empty when they are damaged. Raises FormatError for a newer format."""
    found: Any = None
    with contextlib.suppress(NotFoundError, ValueError, RecursionError), store.open(KEY) as stream:
        found = json.loads(stream.read(LONGEST_BYTES))
    found = found if isinstance(found, dict) else {}
    if found.get("format", FORMAT) != FORMAT:
        raise FormatError("The store is cared for by a newer version.", "Install a newer profilerkit.")
    return {name: each if isinstance(each := found.get(name), dict) else {} for name in ("lease", "wishes")}


def _write(store: ResultStore, lease: Mapping[str, Any], wishes: Mapping[str, Any]) -> None:
    store.put(KEY, to_json({"format": FORMAT, "lease": lease, "wishes": wishes}))


def main() -> int:
    """Care for the store that standard input names; what fails is a line of the log, our standard error."""
    question = json.load(sys.stdin)
    sys.path += [each for each in question["sys_path"] if each not in sys.path]
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    if (process.memory_share(process.cgroup_folder(os.getpid())) or 0.0) > CROWDED:
        log.warning("There is too little memory.")
        return 0
    os.nice(10)
    from profilerkit.stores import open_store

    store = question["store"]
    try:
        archive = Archive(open_store(store["url"], store.get("options")))
        maintain(archive, question["retention"])
    except ProfilerKitError as error:
        log.warning("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
