"""Declare to Airflow what this distribution brings: its settings, and `@task.profiled`."""

from __future__ import annotations

from typing import Any

from profilerkit_airflow.links import class_paths
from profilerkit_airflow.settings import DEFAULTS, SECTION

DESCRIPTIONS = {
    "store": "Where recordings live: a folder or any fsspec URL, the same on workers and web servers.",
    "store_conn_id": "The Airflow connection that the store is opened with.",
    "rules": "Which tasks are profiled with what: a JSON list, or @/path/to/rules.toml.",
    "on_demand": "The profilers that may be asked for, on the web page or in a run's conf.",
    "upload_timeout": "Seconds that a task waits for its upload; by default 30 in a pod of its own, else 0.",
    "checkpoint_interval": "Seconds between checkpoints of a long recording.",
    "spool": "The local folder of recordings until they are uploaded.",
    "catalog": "The web server's local folder of catalogs, which make lists of recordings fast.",
    "max_capture_bytes": "A profiler whose capture grows over this stops.",
    "max_spool_bytes": "Profilers stop when all that is not uploaded yet holds more.",
    "min_free_disk": "Profilers stop when the spool's disk has less free.",
    "retention_days": "Days that recordings stay in the store; 0 keeps them for ever.",
    "retention_days_resources": "The same for recordings of resources alone, which are small.",
}


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow's provider discovery asks for."""
    from profilerkit._version import __version__

    options = {
        name: {
            "description": DESCRIPTIONS[name] + "\n",
            "version_added": "0.1.0",
            "type": "string",
            "example": None,
            "default": default,
        }
        for name, default in DEFAULTS.items()
    }
    return {
        "package-name": "profilerkit",
        "name": "profilerkit",
        "description": "Profile tasks: memory, CPU and resources, kept even when a task is killed.",
        "versions": [__version__],
        "extra-links": class_paths(),
        "task-decorators": [
            {"name": "profiled", "class-name": "profilerkit_airflow.decorators.profiled_task"}
        ],
        "config": {SECTION: {"description": "Settings of profilerkit.", "options": options}},
    }
