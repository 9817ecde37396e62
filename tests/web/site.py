"""Make an app on a store of a test's own, and ask it."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from httpx import Response

from profilerkit.archive import Archive
from profilerkit.catalog.scope import Scope
from profilerkit.ids import uuid7
from profilerkit.keys import recording_key
from profilerkit.localstore import LocalStore
from profilerkit.model import Capture, CaptureFile, EventKind, Outcome, Recording, Status, Subject
from profilerkit.reading import Reading
from profilerkit.readingjson import reading_to_json
from profilerkit.settings import Settings
from profilerkit.web.access import Access, LoopbackAccess, UnauthenticatedError, Viewer
from profilerkit.web.app import create_app
from profilerkit.web.hosting import Hosting


class HeaderAccess(Access):
    """Let in whoever names the DAGs that they may read in a header."""

    def viewer(self, request: Request) -> Viewer:
        """Return who may read the tasks of those DAGs."""
        groups = request.headers.get("x-dags")
        if groups is None:
            raise UnauthenticatedError("Nobody is logged in.", login_url="/login")
        return Viewer("somebody", Scope(groups={"task": frozenset(groups.split(","))}))


class Place:
    """A store, and an app that shows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(store=str(folder / "store"), catalog=str(folder / "catalogs"))
        self.archive = Archive(LocalStore.from_url(self.settings.store_url))

    def app(self, access: Access | None = None, hosting: Hosting | None = None) -> FastAPI:
        """Return an app of the store."""
        return create_app(self.settings, access=access or LoopbackAccess(), hosting=hosting)

    def client(self, access: Access | None = None, hosting: Hosting | None = None) -> TestClient:
        """Return a browser that is on this machine."""
        return client_of(self.app(access, hosting))

    def put(self, **changes: Any) -> Recording:
        """Store a recording that has ended."""
        recording = a_run(**changes)
        kind = EventKind.RUNNING if recording.status is Status.RUNNING else EventKind.FINAL
        self.archive.publish(recording, kind)
        return recording

    def put_captures(self, **readings: Reading) -> Recording:
        """Store a recording with a capture by each profiler, whose raw file is the reading itself."""
        found = a_run()
        key = recording_key(found)
        captures = []
        for name, reading in readings.items():
            file = self.folder / "reading.json"
            file.write_text(json.dumps(reading_to_json(reading)))
            self.archive.put_raw(key, name, file, "reading.json")
            files = (CaptureFile("reading.json", file.stat().st_size),)
            captures.append(Capture(name, Status.COMPLETE, files=files))
        found = attrs.evolve(found, captures=tuple(captures))
        self.archive.publish(found, EventKind.FINAL)
        return found


def until_made(client: TestClient, address: str, seconds: float = 60.0) -> Response:
    """Ask until the answer is no longer that it is being made; the limit is for a hang."""
    end = time.monotonic() + seconds
    while True:
        answer = client.get(address)
        making = answer.status_code == 202 or (
            answer.headers["content-type"] == "application/json"
            and '"state":"rendering"' in answer.text
            and "/reports/" in address
        )
        if not making:
            return answer
        assert time.monotonic() < end, "it was never made"
        time.sleep(0.1)


def client_of(app: FastAPI, **keywords: Any) -> TestClient:
    """Return a browser on this machine, which sees a 500 as one."""
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False, **keywords)


def a_run(**changes: Any) -> Recording:
    """Return a recording of a script that took a second, without captures."""
    start = changes.pop("started_at", datetime.now(timezone.utc) - timedelta(minutes=5))
    fields: dict[str, Any] = {
        "id": uuid7(),
        "subject": Subject("script", {"name": "etl.py"}),
        "status": Status.COMPLETE,
        "outcome": Outcome.SUCCESS,
        "started_at": start,
        "ended_at": start + timedelta(seconds=1),
        "summary": {"peak_rss_bytes": 100.0 * (1 << 20), "cpu_seconds": 0.5},
        "revision": 1,
    }
    return Recording(**{**fields, **changes})
