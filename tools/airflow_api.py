"""Ask a running Airflow 3 or 2 through its REST API, as one of its users."""

from __future__ import annotations

import base64
import json
import urllib.request
from functools import cached_property
from typing import Any
from urllib.parse import quote

from attrs import define

FINISHED = ("success", "failed")


@define(slots=False)
class AirflowApi:
    """The REST API of an Airflow."""

    url: str
    """Of its pages, without a slash at the end."""
    major: int
    user: str
    password: str

    def call(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """Return the answer to a GET, or to a POST when there is a body. Raises OSError."""
        api = "/api/v2" if self.major == 3 else "/api/v1"
        return self._send(f"{api}{path}", body, self._authorization, method)

    def _send(self, path: str, body: Any, authorization: str | None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        if authorization is not None:
            request.add_header("Authorization", authorization)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    @cached_property
    def _authorization(self) -> str:
        if self.major == 3:
            body = {"username": self.user, "password": self.password}
            return f"Bearer {self._send('/auth/token', body, None)['access_token']}"
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    @property
    def token(self) -> str:
        """Return the token that Airflow 3's pages have in their cookie `_token`."""
        return self._authorization.removeprefix("Bearer ")

    def dags(self) -> set[str]:
        """Return the ids of the DAGs that it has read."""
        return {each["dag_id"] for each in self.call("/dags")["dags"]}

    def trigger(self, dag_id: str) -> str:
        """Start a run of a DAG and return its id."""
        body = {"logical_date": None} if self.major == 3 else {}
        return str(self.call(f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def ended(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run that has ended, None while it has not."""
        state = self.call(f"/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"]
        return str(state) if state in FINISHED else None


def quietly(ask: Any) -> Any:
    """Return an answer, None while the server has none."""
    try:
        return ask()
    except OSError:
        return None
