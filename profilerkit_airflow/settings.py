"""Read `[profilerkit]` of airflow.cfg or AIRFLOW__PROFILERKIT__*, and say what cannot be used of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from profilerkit_airflow import compat
from profilerkit_airflow.rules import Rule, read_rules

SECTION = "profilerkit"

DEFAULTS: dict[str, str] = {
    "store": "",
    "store_conn_id": "",
    "rules": "[]",
    "on_demand": "resources, cpu, memray",
    "upload_timeout": "",
    "checkpoint_interval": "60",
    "spool": "",
    "catalog": "",
    "max_capture_bytes": "2 GiB",
    "max_spool_bytes": "20 GiB",
    "min_free_disk": "1 GiB",
    "retention_days": "30",
    "retention_days_resources": "180",
}
"""Every option with its default, as text; `provider.py` declares them to Airflow."""

CORE = (
    "checkpoint_interval",
    "spool",
    "catalog",
    "max_capture_bytes",
    "max_spool_bytes",
    "min_free_disk",
    "retention_days",
    "retention_days_resources",
)
POD_UPLOAD_SECONDS = 30.0
"""How long a task waits for its upload where its container ends with it."""


class AirflowSettings(NamedTuple):
    """What an administrator has set for all recordings of this Airflow."""

    store: str
    store_conn_id: str
    rules: tuple[Rule, ...]
    on_demand: tuple[str, ...]
    """The profilers that may be asked for; none switches the look-up of requests off."""
    problems: tuple[str, ...]
    """What cannot be used, in words; the rest holds."""


def option(name: str) -> str:
    """Return one option as text."""
    return compat.setting(SECTION, name, DEFAULTS[name]).strip()


def load_settings() -> AirflowSettings:
    """Return what the selection of a task needs; cheap enough for every task."""
    rules, problems = read_rules(option("rules"))
    names = option("on_demand").replace(",", " ").split()
    return AirflowSettings(
        store=option("store"),
        store_conn_id=option("store_conn_id"),
        rules=rules,
        on_demand=tuple(names),
        problems=problems,
    )


def recording_settings(storage_options: dict[str, Any] | None = None) -> tuple[Any, tuple[str, ...]]:
    """Return the core's `Settings` for this Airflow, and what of them could not be used.

    A value that cannot be is left at its default. Without a `store` it is the user's data folder.
    """
    from attrs import fields

    from profilerkit.settings import Settings, absolute

    converters = {each.name: each.converter for each in fields(Settings)}
    values: dict[str, Any] = {"storage_options": storage_options or {}}
    problems = []
    for name in (*CORE, "upload_timeout"):
        text = option(name)
        if not text:
            continue
        try:
            convert: Any = converters[name]
            values[name] = convert(text)
        except (TypeError, ValueError) as error:
            problems.append(f"{name} of [{SECTION}] cannot be {text!r}: {error}.")
    if "upload_timeout" not in values:
        values["upload_timeout"] = POD_UPLOAD_SECONDS if compat.in_own_pod() else 0.0
    values["store"] = option("store")
    for name in ("store", "spool", "catalog"):
        if values.get(name):
            values[name] = absolute(values[name])
    return Settings(**values), tuple(problems)
