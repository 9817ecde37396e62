"""Make the web app for Airflow: the app of the core, Airflow's own pages added to it."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from fastapi import FastAPI
from jinja2 import FileSystemLoader
from starlette.requests import Request

from profilerkit.settings import Settings
from profilerkit.web.access import Access
from profilerkit.web.addresses import Addresses
from profilerkit.web.app import create_app
from profilerkit.web.hosting import Hosting, Link
from profilerkit_airflow import request_pages, setup_page, task_page
from profilerkit_airflow.settings import option, recording_settings
from profilerkit_airflow.store import storage_options

TEMPLATES = Path(__file__).with_name("templates")
ALIASES = {"dag": "dag_id", "task": "task_id", "run": "run_id", "try": "try_number", "map": "map_index"}
COMMANDS = (
    (
        "Have every task's memory and CPU time recorded, by Airflow's configuration:",
        """AIRFLOW__PROFILERKIT__RULES='[{"dag": "*", "profilers": ["resources"]}]'""",
    ),
    ("See whether workers are set up:", "profilerkit airflow check"),
)


def make_app(access: Access, hosting: Hosting) -> FastAPI:
    """Return the app. Raises ProfilerKitError when the store's settings cannot be used."""
    app = create_app(
        web_settings(),
        access=access,
        hosting=evolve(hosting, navigation=_navigation, search_aliases=ALIASES, empty_commands=COMMANDS),
    )
    app.state.site.loaders["airflow"] = FileSystemLoader(TEMPLATES)
    for router in (task_page.router, request_pages.router, setup_page.router):
        app.include_router(router)
    return app


def web_settings() -> Settings:
    """Return the settings of the store, with the credentials of its connection."""
    settings, _ = recording_settings(storage_options(option("store_conn_id")))
    found: Settings = settings
    return found


def _navigation(request: Request) -> list[Link]:
    to = Addresses.of(request)
    entries = [Link("Requests", to.to("/requests"))]
    if request.state.viewer.is_admin:
        entries.append(Link("Set-up", to.to("/setup")))
    return entries
