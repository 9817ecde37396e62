"""Run a real Postgres for an Airflow of tests that SQLite would be too slow for."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.stack import Airflow, free_port, wait_for


def postgres_program(name: str) -> str | None:
    """Return the path of a program of Postgres, which Debian keeps out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@contextlib.contextmanager
def started(*command: str, log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server for the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def postgres(log: Path) -> Iterator[int]:
    """Run a Postgres with a database `airflow` and give its port; it refuses to run as root."""
    initdb, server = postgres_program("initdb"), postgres_program("postgres")
    if initdb is None or server is None:
        pytest.skip("there is no Postgres")
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder, port = Path(tempfile.mkdtemp(prefix="profilerkit-postgres-")), free_port()
    try:
        if as_user:
            shutil.chown(folder, "postgres")
        data = str(folder / "data")
        made = [*as_user, initdb, "-D", data, "-A", "trust", "-U", "airflow", "--no-sync", "-E", "UTF8"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        options = ["-D", data, "-p", str(port), "-k", str(folder), "-c", "fsync=off"]
        with started(*as_user, server, *options, "-c", "max_connections=300", log=log):
            import psycopg2

            def make_database() -> bool:
                with contextlib.suppress(psycopg2.OperationalError):
                    address = f"host=127.0.0.1 port={port} user=airflow dbname=postgres"
                    with contextlib.closing(psycopg2.connect(address)) as connection:
                        connection.autocommit = True
                        connection.cursor().execute("create database airflow")
                    return True
                return False

            wait_for(make_database, 60, lambda: log.read_text())
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PostgresAirflow(Airflow):
    """An Airflow on a Postgres that runs."""

    def __init__(self, folder: Path, port: int, **settings: str) -> None:
        login = f"airflow@127.0.0.1:{port}/airflow"
        database = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{login}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{login}",
        }
        super().__init__(folder, **database, **settings)
        self._database = f"host=127.0.0.1 port={port} user=airflow dbname=airflow"

    def rows(self, query: str, *values: str) -> list[Any]:
        """Ask Airflow's own database."""
        import psycopg2

        with contextlib.closing(psycopg2.connect(self._database)) as connection:
            cursor = connection.cursor()
            cursor.execute(query.replace("?", "%s"), values)
            return list(cursor.fetchall())
