"""Show the web app in Airflow 3: who is asking, where tasks are in its pages, forms that only they sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any
from urllib.parse import quote, urlsplit

from anyio import from_thread
from attrs import frozen
from starlette.requests import Request

from profilerkit.model import Subject
from profilerkit.web.access import Access, ForbiddenError, UnauthenticatedError, Viewer
from profilerkit.web.hosting import Csrf, Hosting, Link
from profilerkit_airflow import compat, metadata
from profilerkit_airflow.access import Person, is_of_a_file, of_a_file, viewer_of

CSRF_FIELD = "csrf_token"
CSRF_SECONDS = 12 * 3600


@frozen
class Airflow3Person(Person):
    """Somebody whom Airflow's auth manager knows."""

    user: Any
    manager: Any
    teams: Callable[[str], str | None]
    """Returns the team of a DAG, where Airflow has teams."""

    @property
    def name(self) -> str:
        """Return what Airflow shows of them."""
        return str(self.user.get_name())

    def may(self, method: str, dag_id: str, entity: str | None = None) -> bool:
        """Tell whether they may `GET` or `PUT` a DAG, or a part of it."""
        from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

        return bool(
            self.manager.is_authorized_dag(
                method=method,
                access_entity=None if entity is None else DagAccessEntity[entity],
                details=DagDetails(id=dag_id, team_name=self.teams(dag_id)),
                user=self.user,
            )
        )

    def readable_dags(self) -> Iterable[str]:
        """Return the ids of the DAGs that they may read, of those that Airflow knows."""
        found: Iterable[str] = self.manager.get_authorized_dag_ids(user=self.user, method="GET")
        return found

    def dag_files(self) -> Iterable[tuple[str, str]]:
        """Return each DAG that Airflow knows, as its id and the path of its file."""
        return metadata.dag_files()

    def is_admin(self) -> bool:
        """Tell whether they may edit every DAG and every connection: auth managers have no word for it."""
        return bool(
            self.manager.is_authorized_dag(method="PUT", user=self.user)
            and self.manager.is_authorized_connection(method="PUT", user=self.user)
            and self.manager.is_authorized_configuration(method="GET", user=self.user)
            and all(self._leads(each) for each in _team_names())
        )

    def _leads(self, team: str) -> bool:
        from airflow.api_fastapi.auth.managers.models.resource_details import TeamDetails

        return bool(
            self.manager.is_authorized_team(method="PUT", details=TeamDetails(name=team), user=self.user)
        )


class Airflow3Access(Access):
    """Let in whom Airflow lets in: by its cookie, or by a token in the Authorization header."""

    def viewer(self, request: Request) -> Viewer:
        """Return who is asking. Raises UnauthenticatedError or ForbiddenError."""
        from airflow.api_fastapi.app import get_auth_manager

        user = from_thread.run(_airflow_user, request)
        request.state.profilerkit_user = str(user.get_id())
        person = Airflow3Person(user, get_auth_manager(), _teams())
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        return of_a_file(person.name) if is_of_a_file(path) else viewer_of(person)


async def _airflow_user(request: Request) -> Any:
    """Return Airflow's user as its own routes find it."""
    from airflow.api_fastapi.core_api import security
    from fastapi import HTTPException

    try:
        # Both parameters moved names, never places, between 3.1 and 3.3.
        assert len(signature(security.get_user).parameters) == 3
        token, bearer = await security.oauth2_scheme(request), await security.bearer_scheme(request)
        return await security.get_user(request, token, bearer)
    except HTTPException as error:
        if error.status_code == 401:
            raise UnauthenticatedError(
                f"Airflow does not know who you are: {error.detail}.",
                "Sign in to Airflow, then open this page again.",
                login_url=_login_url(request),
            ) from None
        raise ForbiddenError(f"Airflow refuses: {error.detail}.") from None


def _login_url(request: Request) -> str:
    after = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{base_path()}/api/v2/auth/login?next={quote(after, safe='')}"


def _teams() -> Callable[[str], str | None]:
    """Return a look-up of DAGs' teams, which asks the database only where Airflow has teams."""
    if not _multi_team():
        return lambda _dag_id: None
    from airflow.models.dag import DagModel

    return lambda dag_id: DagModel.get_team_name(dag_id)


def _team_names() -> Iterable[str]:
    if not _multi_team():
        return ()
    from airflow.models.team import Team

    names: Iterable[str] = Team.get_all_team_names()
    return names


def _multi_team() -> bool:
    return compat.setting("core", "multi_team", "False").lower() == "true"


def base_path() -> str:
    """Return the path under which a proxy shows Airflow, empty without one."""
    return urlsplit(compat.base_url()).path.rstrip("/")


def hosting() -> Hosting:
    """Return what the app has to know of the place it is shown in."""
    return Hosting(
        name="Airflow",
        embedded=True,
        home=Link("Airflow", f"{base_path()}/"),
        subject_links=subject_links,
        theme_source="airflow",
        csrf=Csrf(field=csrf_field, check=csrf_check),
        timezone=compat.setting("core", "default_timezone") or None,
    )


def subject_links(subject: Subject) -> list[Link]:
    """Return where Airflow shows a task."""
    if subject.kind != "task":
        return []
    names = {key: quote(value, safe="") for key, value in subject.names.items()}
    dag = f"{base_path()}/dags/{names.get('dag_id', '')}"
    if "run_id" not in names:
        return [Link("Task in Airflow", f"{dag}/tasks/{names.get('task_id', '')}")]
    url = f"{dag}/runs/{names['run_id']}/tasks/{names.get('task_id', '')}"
    if names.get("map_index", "-1") != "-1":
        url += f"/mapped/{names['map_index']}"
    return [Link("Task in Airflow", url)]


def csrf_field(request: Request) -> tuple[str, str]:
    """Return a form's hidden field: who is signed in, signed with Airflow's secret key."""
    return CSRF_FIELD, _signer().dumps(request.state.profilerkit_user)


def csrf_check(request: Request, value: str | None) -> bool:
    """Tell whether a form was made for who sends it; a token in a header cannot come from another page."""
    from itsdangerous import BadData

    if request.headers.get("authorization"):
        return True
    try:
        return bool(_signer().loads(value or "", max_age=CSRF_SECONDS) == request.state.profilerkit_user)
    except BadData:
        return False


def _signer() -> Any:
    from itsdangerous import URLSafeTimedSerializer

    return URLSafeTimedSerializer(compat.setting("api", "secret_key"), salt="profilerkit.csrf")
