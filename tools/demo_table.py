"""Print what the demo's recordings say of its tasks, from the command line's JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_stack import Airflow
from rich.console import Console
from rich.table import Table

from profilerkit.stacks.units import format_value

COLUMNS = ("task", "state", "took", "peak RSS", "CPU", "most heap at its peak", "most CPU time")
NUMBERS = ("took", "peak RSS", "CPU")
SMALL_BYTES = 1 << 20
"""A heap below it is Airflow's own."""


def print_table(airflow: Airflow) -> None:
    """Print a row for each recording, those with the highest peak first."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    own = {path.name for path in airflow.dags.rglob("*.py")}
    recordings = sorted(found(airflow), key=lambda each: -(each["summary"].get("peak_rss_bytes") or 0))
    for each in recordings:
        table.add_row(*row(each, own))
    Console(width=None if os.isatty(1) else 150).print(table)


def found(airflow: Airflow) -> Iterator[dict[str, Any]]:
    """Yield all that is known of each recording."""
    for each in ask(airflow, "list"):
        yield ask(airflow, "show", each["id"])


def ask(airflow: Airflow, *arguments: str) -> Any:
    """Return what a command of profilerkit says of the demo's store."""
    places = {"PROFILERKIT_STORE": airflow.store, "PROFILERKIT_SPOOL": str(airflow.home / "spool")}
    command = [str(airflow.python.with_name("profilerkit")), *arguments, "--json"]
    said = subprocess.run(command, env={**os.environ, **places}, check=True, capture_output=True)
    return json.loads(said.stdout)


def row(recording: Mapping[str, Any], own: set[str]) -> list[str]:
    """Return the cells of a recording."""
    names, numbers = recording["names"], recording["summary"]
    mapped = f"[{names['map_index']}]" if names["map_index"] != "-1" else ""
    heap = numbers.get("peak_heap_bytes") or 0
    return [
        f"{names['dag_id']}.{names['task_id']}{mapped}".replace("[", "\\["),
        f"{recording['outcome']}" + (", interrupted" if recording["status"] == "interrupted" else ""),
        format_value(recording["duration_seconds"], "seconds"),
        format_value(numbers.get("peak_rss_bytes"), "bytes"),
        format_value(numbers.get("cpu_seconds"), "seconds"),
        top(recording, "memray", own) if heap >= SMALL_BYTES else "–",
        top(recording, "cpu", own),
    ]


def top(recording: Mapping[str, Any], profiler: str, own: set[str]) -> str:
    """Return the line of the DAGs' own code that had most."""
    lines = (recording.get("hot") or {}).get(profiler) or []
    for each in lines:
        if each["file"] in own:
            value = format_value(each["self"], each["unit"])
            return f"{value} {each['function']} {each['file']}:{each['line']}"
    return "–"
