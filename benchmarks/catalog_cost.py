"""Measure the catalog of very many recordings: made anew, kept up to date, and asked by different viewers.

    python benchmarks/catalog_cost.py [--recordings 1000000] [--store FOLDER] [--rounds 15]

The journal is made as compaction leaves it (see million.py): 5,000 DAGs and 200 scripts over 90 days. If a
folder is given it is kept there, and not made again. The catalog is then made in a process of its own; its
highest RSS is that of all processes that it starts too, shared pages counted several times. Pages have 50
rows and their count; each question is asked on a connection of its own, as the web app does. Viewers of the
DAGs with the least memory are the worst for a list sorted by peak.

Bars: 60 s and 500 MB of RAM to make it; 2 s for 1,000 new recordings; p95 of pages 60 ms (of the 100 ms of a
list page); p95 of ranking, regressions and trend 300 ms. Exit code 1 when one is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psutil
from million import DAGS, dag_name, dag_sizes, event_line, fill

from profilerkit.archive import Archive
from profilerkit.catalog.catalog import Catalog
from profilerkit.catalog.query import Field, Query
from profilerkit.catalog.scope import Scope
from profilerkit.catalog.search import parse_search
from profilerkit.catalog.values import Measure
from profilerkit.codec import event_from_json
from profilerkit.localstore import LocalStore

FINGERPRINT = "0123456789abcdef"
BUILD_SECONDS, BUILD_MEGABYTES, NEW_SECONDS = 60.0, 500.0, 2.0
PAGE_SECONDS, ANSWER_SECONDS = 0.060, 0.300
LOOK_SECONDS = 0.1
NEW = 1000
SEARCHES = (
    "", "orders", "extract_orders_0123", "outcome:failed", "status:interrupted", "outcome:killed dag:load_*",
    "peak>4GiB", "duration>5m outcome:failed", "profiler:memray label.team:team-7", "task:train_model_*",
    "run:manual__* since:40d", "kind:script", "peak>1GiB outcome:timeout", "label.team:team-3 outcome:failed",
    "status:partial profiler:memray", "xyz_not_there", "cpu>1m peak<100MB",
)  # fmt: skip


def main() -> int:
    """Print a table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--catalog", type=Path, help="where it is, or is to be kept")
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        make(given.store, given.catalog)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        store = given.store or folder / "store"
        if not (store / "journal").exists():
            fill(store, given.recordings)
        return measure(store, given.catalog or folder / "catalogs", given)


def measure(store: Path, folder: Path, given: argparse.Namespace) -> int:
    """Measure all and print it."""
    missed = False

    def row(title: str, value: float, bar: float, unit: str = "s", more: str = "") -> None:
        nonlocal missed
        missed = missed or value > bar
        print(f"{title:<58}{value:9.3f} {unit:<3} bar {bar:g} {more}", flush=True)

    if not list(folder.glob("*.sqlite")):
        command = [sys.executable, __file__, "--make", "--store", str(store), "--catalog", str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        highest = highest_rss_bytes(process)
        seconds, cpu_seconds = map(float, process.communicate()[0].split())
        row("made anew", seconds, BUILD_SECONDS, more=f"(CPU {cpu_seconds:.1f} s)")
        row("made anew, highest RSS", highest / 1e6, BUILD_MEGABYTES, "MB")
    catalog = Catalog.at(folder, Archive(LocalStore(store)), FINGERPRINT)
    began = time.perf_counter()
    catalog.sync()
    print(f"{'nothing new':<58}{time.perf_counter() - began:9.3f} s")
    row(f"{NEW} new recordings", add(store, catalog), NEW_SECONDS)
    for title, bar, question in questions(catalog):
        times = sorted(timed(question) for _ in range(given.rounds))
        p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
        row(title, p95, bar, more=f"(median {statistics.median(times):.3f})")
    return int(missed)


def make(store: Path, folder: Path) -> None:
    """Make the catalog and print wall and CPU seconds, those of other processes included."""
    catalog = Catalog.at(folder, Archive(LocalStore(store)), FINGERPRINT)
    began, before = time.perf_counter(), time.process_time()
    catalog.sync()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - before
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(seconds, cpu_seconds + others.ru_utime + others.ru_stime)


def highest_rss_bytes(process: subprocess.Popen[str]) -> int:
    """Return the highest sum of the RSS of a process and its children until it ends, looked at often."""
    highest = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        while process.poll() is None:
            together = 0
            for each in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    together += each.memory_info().rss
            highest = max(highest, together)
            time.sleep(LOOK_SECONDS)
    return highest


def add(store: Path, catalog: Catalog) -> float:
    """Add new recordings to the journal and return the seconds until they are listed."""
    chance = random.Random(time.time_ns())
    journal = Archive(LocalStore(store)).journal
    now = datetime.now(timezone.utc)
    sizes = [1e9] * DAGS
    before = catalog.count()
    for number in range(NEW):
        line = event_line(chance, sizes, now - timedelta(seconds=number)).encode("ascii")
        journal.append(event_from_json(line))
    began = time.perf_counter()
    catalog.sync()
    found = catalog.page(scope=Scope.ALL, limit=50)
    seconds = time.perf_counter() - began
    assert len(found.rows) == 50
    assert catalog.count() == before + NEW
    return seconds


def questions(catalog: Catalog) -> Iterator[tuple[str, float, Callable[[], object]]]:
    """Yield what is asked, with its bar."""
    sizes = dag_sizes()
    by_peak = [dag_name(number) for number in sorted(range(DAGS), key=sizes.__getitem__)]
    chance = random.Random(2)
    scopes = {"everything": Scope.ALL}
    for size in (90, 2500):
        tasks = {"any": chance.sample(by_peak, size), "lowest": by_peak[:size], "highest": by_peak[-size:]}
        scopes |= {f"{size} {name}": Scope(groups={"task": frozenset(each)}) for name, each in tasks.items()}
    for name, scope in scopes.items():
        for field in Field:
            for descending in (True, False):
                title = f"page, {name}, by {field.value}{'' if descending else ', ascending'}"
                yield title, PAGE_SECONDS, page(catalog, Query(), scope, field, descending)
        for search in SEARCHES[1:]:
            query = parse_search(search)
            yield f"page, {name}, {search}", PAGE_SECONDS, page(catalog, query, scope, Field.PEAK, True)
        for measure_ in Measure:
            for days in (1, 7, 30, None):
                title = f"ranking, {name}, by {measure_.value}, {days or 'all'} days"
                yield title, ANSWER_SECONDS, ranking(catalog, scope, measure_, days)
        yield f"regressions, {name}", ANSWER_SECONDS, regressions(catalog, scope)
    series = catalog.ranking(Measure.PEAK, scope=Scope.ALL, limit=1)[0].series
    yield "trend", ANSWER_SECONDS, lambda: catalog.trend(series, scope=Scope.ALL, limit=100)
    rows = catalog.page(scope=Scope.ALL).rows
    recordings = [each.recording for each in rows]
    yield "what is usual, for a page", PAGE_SECONDS, lambda: catalog.usuals(recordings, scope=Scope.ALL)
    yield "deep page", PAGE_SECONDS, deep(catalog)
    yield "relatives", PAGE_SECONDS, lambda: catalog.related(recordings[0], scope=Scope.ALL)
    yield "one by its id", PAGE_SECONDS, lambda: catalog.find(recordings[0].id[:13], scope=Scope.ALL)


def page(
    catalog: Catalog, query: Query, scope: Scope, field: Field, descending: bool
) -> Callable[[], object]:
    """Return a question for the first page of a list."""
    return lambda: catalog.page(query, scope=scope, sort=field, descending=descending)


def deep(catalog: Catalog) -> Callable[[], object]:
    """Return a question for a page in the middle of the list."""
    token = None
    for _ in range(20):
        token = catalog.page(scope=Scope.ALL, sort=Field.PEAK, limit=5000, after=token).next
    return lambda: catalog.page(scope=Scope.ALL, sort=Field.PEAK, after=token)


def ranking(catalog: Catalog, scope: Scope, measure_: Measure, days: int | None) -> Callable[[], object]:
    """Return a question for a ranking of a window that ends where the journal does."""
    since = None if days is None else datetime.now(timezone.utc) - timedelta(days=days + 7)
    return lambda: catalog.ranking(measure_, scope=scope, since=since)


def regressions(catalog: Catalog, scope: Scope) -> Callable[[], object]:
    """Return a question for regressions of the last weeks."""
    since = datetime.now(timezone.utc) - timedelta(days=14)
    return lambda: catalog.regressions(scope=scope, since=since)


def timed(question: Callable[[], object]) -> float:
    """Return the seconds until an answer."""
    began = time.perf_counter()
    question()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
