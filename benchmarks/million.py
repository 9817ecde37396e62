"""Fill a local store with the journal of very many recordings, as compaction leaves it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import zstandard

from profilerkit.codec import event_from_json, event_to_json, format_time
from profilerkit.ids import uuid7
from profilerkit.keys import escape
from profilerkit.localstore import LocalStore

DAGS = 5000
TASKS = 9
"""Of a DAG at most; 5 on average."""
DAYS = 90
SCRIPTS = 200
FILE_BYTES = 24 << 20
_VERSIONS = ("1.17.0", "1.18.0", "1.19.1", "1.20.0")
_TASKS = (
    "extract",
    "transform",
    "load",
    "dedupe",
    "train_model",
    "build_features",
    "export",
    "notify",
    "check",
)


def fill(folder: Path, recordings: int, seed: int = 1) -> None:
    """Write so many final events of 5,000 DAGs and 200 scripts over 90 days into files of days."""
    chance = random.Random(seed)
    store = LocalStore(folder)
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    sizes = dag_sizes()
    for day in range(DAYS):
        begin = today - timedelta(days=DAYS + 7 - day)
        count = recordings * (day + 1) // DAYS - recordings * day // DAYS
        lines = list(_lines(chance, sizes, begin, count))
        assert not lines or event_to_json(event_from_json(lines[0])) == lines[0]
        _put(store, f"{begin:%Y-%m-%d}", lines)


def _put(store: LocalStore, day: str, lines: list[bytes]) -> None:
    batch: list[bytes] = []
    size = 0
    for place, line in enumerate(lines):
        batch.append(line + b"\n")
        size += len(line)
        if size > FILE_BYTES or place == len(lines) - 1:
            data = zstandard.ZstdCompressor(level=3, write_checksum=True).compress(b"".join(batch))
            store.put(f"journal/days/{day}.{uuid7()}.jsonl.zst", data)
            batch, size = [], 0


def dag_sizes() -> list[float]:
    """Return the memory of each DAG's tasks: most of what differs between recordings."""
    chance = random.Random(0)
    return [chance.lognormvariate(19.5, 1.2) for _ in range(DAGS)]


def dag_name(number: int) -> str:
    """Return the id of a DAG."""
    return f"{_TASKS[number % len(_TASKS)]}_orders_{number:04}"


def _lines(chance: random.Random, sizes: list[float], begin: datetime, count: int) -> Iterator[bytes]:
    for place in range(count):
        started_at = begin + timedelta(seconds=86400 * place / count)
        yield event_line(chance, sizes, started_at).encode("ascii")


def event_line(chance: random.Random, sizes: list[float], started_at: datetime) -> str:
    """Return one event as it is stored."""
    milliseconds = int(started_at.timestamp() * 1000)
    name = f"{milliseconds:012x}7{chance.getrandbits(12):03x}{chance.getrandbits(64) >> 2 | 1 << 63:016x}"
    name = f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"
    dag = chance.randrange(DAGS)
    if chance.random() < 0.05:
        kind, names = "script", {"name": f"report-{chance.randrange(SCRIPTS)}.py"}
    else:
        scheduled = started_at.replace(minute=0, second=0, microsecond=0)
        manual = chance.random() < 0.1
        run = f"manual__{started_at.isoformat()}" if manual else f"scheduled__{scheduled.isoformat()}"
        task = chance.randrange(1 + dag % TASKS)
        kind, names = "task", {
            "dag_id": dag_name(dag), "run_id": run, "task_id": f"{_TASKS[task]}_{task}",
            "map_index": str(chance.randrange(20)) if task == 3 else "-1",
            "try_number": "2" if chance.random() < 0.03 else "1",
        }  # fmt: skip
    seconds = chance.lognormvariate(4, 1)
    end = format_time(started_at + timedelta(seconds=seconds))
    outcome = chance.choices(("success", "failed", "skipped", "killed", "timeout"), (940, 40, 10, 7, 3))[0]
    status = "interrupted" if outcome == "killed" else "partial" if chance.random() < 0.01 else "complete"
    peak = math.floor(sizes[dag] * chance.lognormvariate(0, 0.15))
    profilers = chance.choices((1, 2, 3), (70, 20, 10))[0]
    # A profiler that is not installed any more, say, gives no numbers.
    summary = {
        "peak_rss_bytes": None if chance.random() < 0.01 else float(peak),
        "peak_heap_bytes": peak * 0.7 if profilers == 3 else None,
        "cpu_seconds": seconds * chance.random(),
        "container_limit_bytes": 8.0 * (1 << 30),
        "peak_threads": 4.0,
    }
    key = "/".join(["recordings", kind, *(escape(each) for each in names.values()), name])
    return (
        f'{{"event_id":"{uuid7()}","kind":"final","recording":{{"id":"{name}","subject":{{"kind":"{kind}",'
        f'"names":{_json(names)}}},"status":"{status}","outcome":"{outcome}",'
        f'"started_at":"{format_time(started_at)}","ended_at":"{end}","alive_at":"{end}",'
        f'"captures":{_captures(chance, profilers, dag)},"summary":{_json(summary)},'
        f'"labels":{{"team":"team-{dag % 20}","env":"prod"}},"parent_id":null,"evidence":[{{"kind":"exit",'
        f'"text":"exit status 0","data":{{"exit_status":0}}}}],"warnings":[],'
        '"environment":{"python":"3.11.7"},"roots":{},'
        f'"process":{{"pid":{chance.randrange(1 << 15)},"start_ticks":{chance.randrange(1 << 30)},'
        '"boot_id":"0b1d6a3e-3c33-4f8e-9d43-6a1f0b1c7d11","pid_namespace":"pid:[4026531836]",'
        f'"start_stack":{chance.randrange(1 << 47)}}},"checkpoint_interval_seconds":60.0,"revision":4,'
        f'"format":1}},"key":"{key}","written_at":"{end}","format":1}}'
    )


def _captures(chance: random.Random, profilers: int, dag: int) -> str:
    version = _VERSIONS[dag % 3]
    return _json(
        [
            {
                "profiler": each,
                "status": "complete",
                "placement": "outside" if each == "resources" else "inside",
                "entry": f"profilerkit_{each}.profiler:Profiler",
                "options": {"interval_seconds": 0.5, "native": False},
                "versions": {"profilerkit": "0.1.0", each: version},
                "files": [
                    {
                        "path": f"{each}.bin",
                        "size_bytes": chance.randrange(1 << 24),
                        "stored_bytes": chance.randrange(1 << 20),
                    }
                ],
                "error": None,
                "contents": ["stacks", "timelines"],
                "portable": True,
            }
            for each in ("resources", "cpu", "memray")[:profilers]
        ]
    )


def _json(plain: object) -> str:
    return json.dumps(plain, separators=(",", ":"))
