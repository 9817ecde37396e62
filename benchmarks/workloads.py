"""Run one of five workloads that exercise an interpreter in different ways: `WORKLOADS[name]()`."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from typing import Any


def pandas() -> float:
    """Group, merge and sort: large allocations in C code."""
    import numpy as np
    import pandas as pd

    rng, total = np.random.default_rng(0), 0.0
    for _ in range(3):
        n = 600_000
        frame = pd.DataFrame(
            {
                "k": rng.integers(0, 5000, n),
                "c": rng.integers(0, 50, n),
                "v": rng.random(n),
                "w": rng.random(n),
            }
        )
        groups = frame.groupby(["k", "c"]).agg({"v": "sum", "w": "mean"}).reset_index()
        merged = frame.merge(groups, on=["k", "c"], how="left")
        total += float(merged["v_y"].sum()) + float(merged.sort_values("w_x")["v_x"].head(100).sum())
    return total


def json_rows() -> int:
    """Parse and rebuild many small objects."""
    rows = [
        {"id": i, "name": f"user{i}", "tags": ["a", "b", f"c{i}"], "addr": {"city": "x", "zip": i}}
        for i in range(2000)
    ]
    text, count = json.dumps(rows), 0
    for _ in range(120):
        kept = []
        for row in json.loads(text):
            scored = dict(row)
            scored["score"] = len(row["tags"]) * row["id"] % 7
            kept.append(tuple(sorted(scored.items(), key=lambda pair: pair[0])[:2]))
        count += len(kept)
    return count


def sqlite() -> Any:
    """Fetch rows, pass each through small functions, insert them."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create table a(id integer, name text, amount real, d text)")
    connection.execute("create table b(id integer, name text, amount real, d integer)")
    rows = ((i, f" name{i % 997} ", i * 0.5, f"{2000 + i % 20}-{i % 12}") for i in range(80_000))
    connection.executemany("insert into a values(?,?,?,?)", rows)
    for _ in range(3):
        cursor = connection.execute("select * from a")
        while batch := cursor.fetchmany(1000):
            connection.executemany("insert into b values(?,?,?,?)", [_normal(row) for row in batch])
    query = "select count(*), sum(amount) from (select name, sum(amount) amount from b group by name)"
    return connection.execute(query).fetchone()


def _normal(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (row[0], row[1].strip().upper(), round(row[2] * 1.1, 2), _month(row[3]))


def _month(text: str) -> int:
    year, month = text.split("-")
    return int(year) * 100 + int(month)


def threads() -> None:
    """Allocate in four threads at once."""
    workers = [threading.Thread(target=_allocate, args=(350_000,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _allocate(n: int) -> int:
    kept: list[bytearray] = []
    for i in range(n):
        kept.append(bytearray(600 + i % 100))
        if len(kept) > 200:
            kept = []
    return len(kept)


def echo() -> None:
    """Serve 20 clients on one event loop."""
    asyncio.run(_serve())


async def _serve() -> None:
    server = await asyncio.start_server(_handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(_ask(port, 600) for _ in range(20)))
    server.close()


async def _handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(json.dumps({"echo": line.decode()}).encode() + b"\n")
        await writer.drain()
    writer.close()


async def _ask(port: int, n: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for i in range(n):
        writer.write(b"hello %d\n" % i)
        await writer.drain()
        json.loads(await reader.readline())
        if i % 50 == 0:
            await asyncio.sleep(0.002)
    writer.close()


WORKLOADS: dict[str, Callable[[], Any]] = {
    "pandas": pandas,
    "json": json_rows,
    "sqlite": sqlite,
    "threads": threads,
    "asyncio": echo,
}
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "67108864"}
"""Keeps glibc from changing its mind in mid-run, which would double asyncio's CPU time at random."""
