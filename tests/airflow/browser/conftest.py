"""Give the browser's tests a whole Airflow that runs tasks, and a Chromium that is signed in to it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import field, frozen

from tools.airflow_api import AirflowApi
from tools.airflow_stack import Airflow, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

DAGS = Path(__file__).parent.parent / "dags"
COMPONENTS = {3: ("api-server", "scheduler", "dag-processor"), 2: ("webserver", "scheduler")}
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
USER = "admin"
PATIENCE_MILLISECONDS = 120_000
"""A busy machine is slow; nothing here is a measure of time."""


@pytest.fixture(scope="package")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Run an Airflow with a scheduler; no rule chooses anything."""
    home = tmp_path_factory.mktemp("airflow")
    airflow = Airflow(Path(sys.executable), home, dags=DAGS, store=str(home / "store"))
    airflow.settings = {
        "core.dags_are_paused_at_creation": "False",
        "api.auth_backends": "airflow.api.auth.backend.basic_auth,airflow.api.auth.backend.session",
        "workers.min_heartbeat_interval": "1",
    }
    if airflow.major == 3:
        airflow.simple_users(**{USER: "admin"})
    airflow.run("db", "migrate")
    if airflow.major == 2:
        person = ("-u", USER, "-p", USER, "-r", "Admin", "-f", "A", "-l", "B", "-e", "a@example.org")
        airflow.run("users", "create", *person)
    airflow.run("dags", "reserialize")
    with running(airflow, *COMPONENTS[airflow.major]):
        yield airflow


@pytest.fixture(scope="package")
def api(airflow: Airflow) -> AirflowApi:
    """Return the REST API of that Airflow."""
    return AirflowApi(airflow.url, airflow.major, USER, USER)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Return a Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs a chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@frozen
class Tab:
    """A page in the browser, and what its scripts complained of."""

    page: Page
    complaints: list[str] = field(factory=list)


@pytest.fixture
def tab(chromium: Browser, airflow: Airflow, api: AirflowApi) -> Iterator[Tab]:
    """Return a tab that is signed in."""
    context: BrowserContext = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = context.new_page()
    found = Tab(page)
    # Airflow's own pages have errors of their own; a script's address is in its stack.
    page.on(
        "pageerror",
        lambda error: "profilerkit" in (error.stack or "") and found.complaints.append(str(error)),
    )
    page.on(
        "console", lambda said: found.complaints.append(said.text) if "profilerkit" in said.text else None
    )
    if airflow.major == 3:
        context.add_cookies([{"name": "_token", "value": api.token, "url": airflow.url}])
    else:
        page.goto(f"{airflow.url}/login/")
        page.fill("#username", USER)
        page.fill("#password", USER)
        page.click("input[type=submit]")
        found.complaints.clear()
    yield found
    context.close()
