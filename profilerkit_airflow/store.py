"""Reach the store through an Airflow connection: its credentials become options of the filesystem."""

from __future__ import annotations

from typing import Any


def storage_options(conn_id: str) -> dict[str, Any]:
    """Return the options of the store's filesystem out of a connection, none without one."""
    if not conn_id:
        return {}
    from profilerkit_airflow import compat

    return _aws(compat.connection(conn_id))


def _aws(connection: Any) -> dict[str, Any]:
    extra = connection.extra_dejson
    found = {"key": connection.login, "secret": connection.password, "token": extra.get("aws_session_token")}
    found["endpoint_url"] = extra.get("endpoint_url")
    return {name: value for name, value in found.items() if value}
