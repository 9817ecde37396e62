"""Serve the pages from a real Airflow of this Python, with people in it and recordings in its store."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
from attrs import frozen

from tests.airflow.support.people import BUILT_IN, roles
from tools.airflow_stack import FAB, Airflow, running

HERE = Path(__file__).parent
DAGS = HERE.parent / "dags"
DAG_FILE = DAGS / "permissions.py"
OPEN, CLOSED, GONE = "open_dag", "closed_dag", "dag_that_is_gone"
RUN = "manual__2026-11-01T00:00:00+00:00"
ANONYMOUS, BAD_TOKEN = "anonymous", "bad token"
SIGNED_IN = (*roles(OPEN), *BUILT_IN)
WEB = {3: "api-server", 2: "webserver"}


@frozen
class Served:
    """A running Airflow, and the recordings in its store by the name of what they are of."""

    airflow: Airflow
    ids: Mapping[str, str]

    def client(self, who: str) -> httpx.Client:
        """Return a browser's session of somebody: a cookie, no header."""
        client = httpx.Client(base_url=f"http://localhost:{self.airflow.port}", timeout=120)
        if who == BAD_TOKEN:
            client.cookies.set("_token" if self.airflow.major == 3 else "session", "not.a.token")
        elif who != ANONYMOUS:
            self._sign_in(client, who)
        return client

    def token(self, who: str) -> str:
        """Return a token for Airflow 3's API."""
        answer = httpx.post(
            f"{self.airflow.url}/auth/token", json={"username": who, "password": who}, timeout=120
        )
        return str(answer.raise_for_status().json()["access_token"])

    def _sign_in(self, client: httpx.Client, who: str) -> None:
        if self.airflow.major == 3:
            client.cookies.set("_token", self.token(who))
            return
        login = f"{self.airflow.url}/login/"
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(login).text)
        assert token is not None
        form = {"username": who, "password": who, "csrf_token": token.group(1)}
        assert "login" not in client.post(login, data=form).headers["location"]


@contextlib.contextmanager
def served(home: Path, *, base_path: str = "") -> Iterator[Served]:
    """Make an Airflow with its people, its DAGs and one recording of everything; serve its pages."""
    airflow = Airflow(Path(sys.executable), home, dags=DAGS, store=str(home / "store"), base_path=base_path)
    if airflow.major == 3:
        airflow.settings = {**airflow.settings, "core.auth_manager": FAB}
    airflow.run("db", "migrate")
    airflow.run_python(HERE / "people.py", OPEN)
    airflow.run("dags", "reserialize")
    places = (str(home / "store"), str(home / "spool"), str(DAG_FILE))
    made = airflow.run_python(HERE / "recordings.py", *places, OPEN, CLOSED)
    with running(airflow, WEB[airflow.major]):
        yield Served(airflow, json.loads(made.strip().splitlines()[-1]))
