"""Measure the list page of very many recordings through the app, and how a server grows by a large report.

    python benchmarks/web_cost.py [--recordings 1000000] [--store FOLDER] [--catalog FOLDER] [--rounds 40]

The store is made as catalog_cost.py makes it; a folder that is given is kept. One server answers over HTTP
on this machine; each page is asked for once before it is measured. Viewers name the number of DAGs that they
may read. Bars: p95 of the list page 100 ms; the page of a recording with a capture of 50 MB answers within
5 s while it is read, and rendering its reports makes the server grow by less than 50 MB. Exit code 1 when one
is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from fastapi import Request
from million import dag_name, fill

from profilerkit.catalog.scope import Scope
from profilerkit.settings import Settings
from profilerkit.web.access import Access, Viewer, everything

PAGE_SECONDS, ANSWER_SECONDS, GROWTH_MEGABYTES = 0.100, 5.0, 50.0
CAPTURE_MEGABYTES = 50
PAGES = {
    "newest": "/",
    "by peak": "/?sort=peak",
    "by peak, 50 rows": "/?sort=peak&rows=50",
    "by CPU time": "/?sort=cpu",
    "by duration, ascending": "/?sort=duration&order=asc",
    "failed": "/?state=failed",
    "a word": "/?q=orders",
    "peak>4GiB, last 30 days": "/?q=peak%3E4GiB&since=30d&sort=peak",
}
VIEWERS = ("all", "90", "2500")
ALLOCATOR = """
import sys
kept = []
def grow(depth):
    if depth:
        return grow(depth - 1)
    for number in range(2000):
        kept.append(bytearray(600))
        if number % 3:
            kept.pop()
for turn in range(int(sys.argv[1])):
    grow(turn % 60)
"""


class Dags(Access):
    """Let in whoever says how many DAGs they may read."""

    def viewer(self, request: Request) -> Viewer:
        """Return somebody who may read so many DAGs, the first ones."""
        dags = request.headers.get("x-dags", "all")
        if dags == "all":
            return everything("all")
        return Viewer(dags, Scope(groups={"task": frozenset(map(dag_name, range(int(dags))))}))


def main() -> int:
    """Print a table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--catalog", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--report", action="store_true", help="only how a server grows by a large report")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(*given.serve)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        if given.report:
            return int(measure_report(folder))
        store = given.store or folder / "store"
        if not (store / "journal").exists():
            fill(store, given.recordings)
        missed = measure_pages(store, given.catalog or folder / "catalogs", given.rounds)
        return int(measure_report(folder) or missed)


def row(title: str, value: float, bar: float, unit: str, more: str = "") -> bool:
    """Print one measure, and tell whether it missed."""
    print(f"{title:<58}{value:9.3f} {unit:<3} bar {bar:g} {more}", flush=True)
    return value > bar


def measure_pages(store: Path, catalogs: Path, rounds: int) -> bool:
    """Measure every page for every viewer."""
    missed = False
    with served(store, catalogs) as (address, process):
        for viewer in VIEWERS:
            for title, path in PAGES.items():
                ask(address + path, viewer)
                before = cpu_seconds(process)
                times = sorted(ask(address + path, viewer) for _ in range(rounds))
                cpu = (cpu_seconds(process) - before) / rounds
                p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
                more = f"(median {statistics.median(times):.3f}, CPU of the server {cpu:.3f})"
                missed |= row(f"list page, {viewer} DAGs, {title}", p95, PAGE_SECONDS, "s", more)
    return missed


def cpu_seconds(process: psutil.Process) -> float:
    """Return what a process has taken so far: on a busy machine it says more than a clock."""
    times = process.cpu_times()
    return float(times.user + times.system)


def measure_report(folder: Path) -> bool:
    """Record a capture of 50 MB, and see the server while its page and reports are made."""
    store = folder / "large"
    environment = {**os.environ, "PROFILERKIT_STORE": str(store), "PROFILERKIT_SPOOL": str(folder / "spool")}
    program = folder / "allocate.py"
    program.write_text(ALLOCATOR)
    command = [sys.executable, "-m", "profilerkit", "run", "-q", "-p", "memray", str(program)]
    turns = 300
    while True:
        subprocess.run([*command, str(turns)], env=environment, check=True, cwd=folder)
        while any(not each.name.startswith(".") for each in (folder / "spool").iterdir()):
            time.sleep(0.2)
        listed = subprocess.run(
            [sys.executable, "-m", "profilerkit", "show", "latest", "--json"],
            env=environment, check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        found = json.loads(listed.stdout)
        megabytes = sum(each["size_bytes"] for of in found["captures"] for each in of["files"]) / 1e6
        if megabytes >= CAPTURE_MEGABYTES:
            break
        turns = int(turns * min(20.0, 1.2 * CAPTURE_MEGABYTES / max(megabytes, 0.1)))
    missed = False
    for each in store.rglob("readings"):  # it is to be read by the server
        subprocess.run(["rm", "-rf", str(each)], check=True)
    with served(store, folder / "large-catalogs") as (address, process):
        ask(f"{address}/", "all")
        before = process.memory_info().rss
        page = f"{address}/recordings/{found['id']}"
        seconds = ask(page, "all")
        missed |= row(f"page of a capture of {megabytes:.0f} MB, first", seconds, ANSWER_SECONDS, "s")
        highest = before
        for report in ("memray.flamegraph-data", "memray.flamegraph", "memray.table"):
            state = f"{address}/api/v1/recordings/{found['id']}/reports/{report}"
            while text(state)["state"] == "rendering":
                highest = max(highest, process.memory_info().rss)
                time.sleep(0.1)
            ask(f"{page}/reports/{report}/file", "all")
            ask(page, "all")
            highest = max(highest, process.memory_info().rss)
            growth = (highest - before) / 1e6
            missed |= row(f"the server grew by, with {report}", growth, GROWTH_MEGABYTES, "MB")
    return missed


@contextlib.contextmanager
def served(store: Path, catalogs: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Give the address of a server, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--serve", str(store), str(catalogs), str(port)]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            with contextlib.suppress(urllib.error.URLError):
                ask(f"{address}/api/v1/health", "all")
                break
            if process.poll() is not None:
                raise SystemExit("The server ended.")
            time.sleep(0.1)
        ask(f"{address}/", "all")  # the catalog is made
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def serve(store: str, catalogs: str, port: str) -> None:
    """Serve until we are ended."""
    from profilerkit.web import serving

    listening = serving.listen(serving.Place("127.0.0.1", int(port)))
    serving.serve(Settings(store=store, catalog=catalogs), listening, Dags())


def ask(address: str, viewer: str) -> float:
    """Return the seconds until an answer is there whole."""
    request = urllib.request.Request(address, headers={"x-dags": viewer, "Accept-Encoding": "gzip"})
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=600) as answer:
        while answer.read(1 << 20):
            pass
    return time.perf_counter() - began


def text(address: str) -> dict[str, str]:
    """Return a JSON answer."""
    with urllib.request.urlopen(address) as answer:
        found: dict[str, str] = json.load(answer)
    return found


if __name__ == "__main__":
    sys.exit(main())
