"""Reach the store through an Airflow connection: its credentials become options of the filesystem.

Ship is another process, without Airflow's context. Where the connection's type allows, it gets plain
options of the filesystem, so that it needs no Airflow. Else it gets the connection itself, and Airflow
makes the filesystem of it there, which costs that process a few seconds. Either goes through a pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from profilerkit_airflow import compat

AWS_PLAIN = {
    *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "endpoint_url", "region_name"),
    *("config_kwargs", "verify", "host"),
}
GOOGLE_PLAIN = {"keyfile_dict", "key_path", "project", "scope", "num_retries"}
AZURE_PLAIN = {"connection_string", "account_name", "account_key", "sas_token"}


def storage_options(conn_id: str) -> dict[str, Any]:
    """Return the options of the store's filesystem out of a connection, none without one.

    Raises what Airflow raises when there is no such connection.
    """
    if not conn_id:
        return {}
    connection = compat.connection(conn_id)
    plain = {"aws": _aws, "s3": _aws, "google_cloud_platform": _google, "wasb": _azure, "adls": _azure}
    make = plain.get(connection.conn_type)
    found = make(connection, _extra(connection)) if make is not None else None
    if found is not None:
        return found
    return {
        "filesystem": f"{__name__}:filesystem",
        "conn_id": conn_id,
        "connection": compat.connection_as_json(connection),
    }


def filesystem(scheme: str, *, conn_id: str, connection: str) -> Any:
    """Have Airflow make the filesystem of a connection, which is given as JSON."""
    with _connection_in_environment(conn_id, connection):
        return compat.filesystem(scheme, conn_id)


@contextlib.contextmanager
def _connection_in_environment(conn_id: str, connection: str) -> Iterator[None]:
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    before = os.environ.get(name)
    os.environ[name] = connection
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _extra(connection: Any) -> dict[str, Any]:
    """Return the extra fields that are set, without the prefix that they had in older Airflows."""
    prefix = f"extra__{connection.conn_type}__"
    fields = {name.removeprefix(prefix): value for name, value in connection.extra_dejson.items()}
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}


def _aws(connection: Any, extra: Mapping[str, Any]) -> dict[str, Any] | None:
    if not set(extra) <= AWS_PLAIN:
        return None  # a role to assume, a profile, …
    client = {name: extra[name] for name in ("region_name", "verify") if name in extra}
    if extra.get("endpoint_url") or extra.get("host"):
        client["endpoint_url"] = extra.get("endpoint_url") or extra["host"]  # for every version of s3fs
    found = {
        "key": connection.login or extra.get("aws_access_key_id"),
        "secret": connection.password or extra.get("aws_secret_access_key"),
        "token": extra.get("aws_session_token"),
        "config_kwargs": extra.get("config_kwargs"),
        "client_kwargs": client,
    }
    return {name: value for name, value in found.items() if value}


def _google(connection: Any, extra: Mapping[str, Any]) -> dict[str, Any] | None:
    if not set(extra) <= GOOGLE_PLAIN:
        return None  # another account to act as, a key in a secret store, …
    key = extra.get("keyfile_dict")
    token = json.loads(key) if isinstance(key, str) else key or extra.get("key_path")
    found = {"token": token, "project": extra.get("project")}
    return {name: value for name, value in found.items() if value}


def _azure(connection: Any, extra: Mapping[str, Any]) -> dict[str, Any] | None:
    if not set(extra) <= AZURE_PLAIN:
        return None  # a managed identity, a tenant, …
    found = {
        "account_name": extra.get("account_name") or connection.login,
        "account_key": extra.get("account_key") or connection.password,
        "connection_string": extra.get("connection_string"),
        "sas_token": extra.get("sas_token"),
    }
    return {name: value for name, value in found.items() if value}
