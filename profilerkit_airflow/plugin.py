"""Register with Airflow what its web pages show of us.

Every process of Airflow imports this, tasks too: the web app is made by whoever first asks for a page.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from profilerkit_airflow import compat, links
from profilerkit_airflow.links import PREFIX

BELOW = PREFIX.lstrip("/")
"""Without a slash, so that the browser resolves it below Airflow's own base path."""


class ProfilerKitPlugin(AirflowPlugin):
    """The plugin; Airflow reads its fields."""

    name = "profilerkit"

    def __init__(self) -> None:
        self.fastapi_apps = _fastapi_apps() if compat.is_airflow_3() else []
        self.external_views = _external_views() if compat.is_airflow_3() else []
        self.global_operator_extra_links: list[Any] = getattr(links, "global_links", list)()
        self.appbuilder_menu_items = [] if compat.is_airflow_3() else _menu_entries()

    @property
    def flask_blueprints(self) -> list[Any]:
        """Return the blueprint of Airflow 2, whose web server alone asks for it."""
        if compat.is_airflow_3():
            return []
        from profilerkit_airflow.views_airflow2 import make_blueprint

        return [make_blueprint()]


def _fastapi_apps() -> list[dict[str, Any]]:
    return [{"app": LazyApp(), "url_prefix": PREFIX, "name": "profilerkit"}]


class LazyApp:
    """The web app of Airflow 3, made at the first request."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._app is None:
            from profilerkit_airflow.hosted import make_app
            from profilerkit_airflow.views_airflow3 import Airflow3Access, hosting

            self._app = make_app(Airflow3Access(), hosting())
        await self._app(scope, receive, send)


def _external_views() -> list[dict[str, Any]]:
    task = f"{BELOW}/task?dag_id={{DAG_ID}}&task_id={{TASK_ID}}"
    views = (
        ("nav", f"{BELOW}/"),
        ("dag", f"{BELOW}/dag?dag_id={{DAG_ID}}"),
        ("task", task),
        ("task_instance", f"{task}&run_id={{RUN_ID}}&map_index={{MAP_INDEX}}"),
    )
    return [
        {
            "name": "Profiles",
            "href": href,
            "destination": destination,
            "url_route": f"profilerkit-{destination.replace('_', '-')}",
            **({"category": "browse"} if destination == "nav" else {}),
        }
        for destination, href in views
    ]


def _menu_entries() -> list[dict[str, str]]:
    # The address is an endpoint, which Airflow resolves below its `base_url`.
    return [{"name": "Profiles", "category": "Browse", "href": f"{BELOW}.index"}]
