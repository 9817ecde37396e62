"""Show the web app in Airflow 2: a Flask blueprint that hands each request over to it.

The app runs on an event loop in a thread of its own. The web server's gunicorn loads everything and
then forks, and a thread does not survive a fork: so the loop is made at the first request, once per
process. What Airflow says of who is asking needs Flask's context, so it is asked before.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode

from attrs import field, frozen
from flask import Blueprint, request
from starlette.requests import Request
from werkzeug.wrappers import Response

from profilerkit.model import Subject
from profilerkit.web.access import SAFE_METHODS, Access, ForbiddenError, UnauthenticatedError, Viewer
from profilerkit.web.hosting import Csrf, Hosting, Link
from profilerkit_airflow import compat, metadata
from profilerkit_airflow.access import (
    CODE,
    TASK_INSTANCES,
    Person,
    is_of_a_file,
    of_a_file,
    viewer_of,
)
from profilerkit_airflow.links import PREFIX
from profilerkit_airflow.views_airflow3 import base_path

METHODS = ["GET", "HEAD", "POST", "DELETE"]
FORM = "application/x-www-form-urlencoded"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRFToken"
VIEWER = "profilerkit.viewer"
LOGIN_URL = "profilerkit.login_url"
CSRF_VALUE = "profilerkit.csrf_value"
CSRF_IS_GOOD = "profilerkit.csrf_is_good"
"""What the blueprint puts into the WSGI environment for the app."""


@frozen
class Airflow2Person(Person):
    """Somebody whom Airflow's auth manager knows, with all answers, since those need Flask's context."""

    shown: str
    """What Airflow shows of them."""
    admin: bool
    allowed: frozenset[tuple[str, str | None, str]] = field(repr=False)
    """Method, part of the DAG or None, and id of the DAG."""
    files: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def name(self) -> str:
        """Return what Airflow shows of them."""
        return self.shown

    def may(self, method: str, dag_id: str, entity: str | None = None) -> bool:
        """Tell whether they may `GET` or `PUT` a DAG, or a part of it."""
        return (method, entity, dag_id) in self.allowed

    def readable_dags(self) -> Iterable[str]:
        """Return the ids of the DAGs that they may read, of those that Airflow knows."""
        return [dag_id for method, entity, dag_id in self.allowed if (method, entity) == ("GET", None)]

    def dag_files(self) -> Iterable[tuple[str, str]]:
        """Return each DAG that Airflow knows, as its id and the path of its file."""
        return self.files

    def is_admin(self) -> bool:
        """Tell whether they may edit every DAG and every connection: auth managers have no word for it."""
        return self.admin


QUESTIONS = (("GET", TASK_INSTANCES), ("GET", CODE), ("PUT", None), ("PUT", TASK_INSTANCES))


def ask_airflow() -> Airflow2Person:
    """Return who is asking, with all that Airflow answers about them, in Flask's context."""
    from airflow.auth.managers.models.resource_details import DagAccessEntity, DagDetails
    from airflow.www.extensions.init_auth_manager import get_auth_manager

    manager = get_auth_manager()
    readable = manager.get_permitted_dag_ids(methods=["GET"])
    allowed: set[tuple[str, str | None, str]] = {("GET", None, dag_id) for dag_id in readable}
    for dag_id in readable:
        for method, entity in QUESTIONS:
            part = None if entity is None else DagAccessEntity[entity]
            if manager.is_authorized_dag(method=method, access_entity=part, details=DagDetails(id=dag_id)):
                allowed.add((method, entity, dag_id))
    admin = (
        manager.is_authorized_dag(method="PUT")
        and manager.is_authorized_connection(method="PUT")
        and manager.is_authorized_configuration(method="GET")
    )
    name = manager.get_user_display_name() or manager.get_user_name() if manager.is_logged_in() else "public"
    return Airflow2Person(name, bool(admin), frozenset(allowed), tuple(metadata.dag_files()))


class Airflow2Access(Access):
    """Let in whom Airflow lets in, as the blueprint has found out."""

    def viewer(self, request: Request) -> Viewer:
        """Return who is asking. Raises UnauthenticatedError or ForbiddenError."""
        environment = request.scope["wsgi_environ"]
        if environment[VIEWER] is not None:
            found: Viewer = environment[VIEWER]
            return found
        if environment[LOGIN_URL] is None:
            raise ForbiddenError("Your roles do not let you see Airflow's pages.")
        raise UnauthenticatedError(
            "Airflow does not know who you are.",
            "Sign in to Airflow, then open this page again.",
            login_url=environment[LOGIN_URL],
        )


class Bridge:
    """The app as a WSGI application, made anew in each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[int, Any] = {}

    def __call__(self, environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        with self._lock:
            app = self._made.get(os.getpid())
            if app is None:
                from a2wsgi import ASGIMiddleware

                from profilerkit_airflow.hosted import make_app

                app = ASGIMiddleware(make_app(Airflow2Access(), hosting()))
                self._made = {os.getpid(): app}
        answer: Iterable[bytes] = app(environment, start_response)
        return answer


def make_blueprint() -> Blueprint:
    """Return the blueprint with its one view, which every address under it comes to."""
    blueprint = Blueprint("profilerkit", __name__, url_prefix=PREFIX)
    bridge = Bridge()

    @blueprint.route("/", defaults={"path": ""}, methods=METHODS, endpoint="index")
    @blueprint.route("/<path:path>", methods=METHODS)
    def serve(path: str) -> Response:
        return Response.from_app(bridge, environment_for_app())

    return blueprint


def find_viewer(path: str) -> Viewer | None:
    """Return who is asking for a path of the app, in Flask's context; None for nobody who may see Airflow."""
    from airflow.auth.managers.models.resource_details import AccessView
    from airflow.www.extensions.init_auth_manager import get_auth_manager

    if not get_auth_manager().is_authorized_view(access_view=AccessView.WEBSITE):
        return None
    return of_a_file("") if is_of_a_file(path) else viewer_of(ask_airflow())


def environment_for_app() -> dict[str, Any]:
    """Return the request for the app: below the blueprint, with who asks, and with its form unread."""
    from airflow.www.extensions.init_auth_manager import get_auth_manager
    from flask_wtf.csrf import generate_csrf

    environment = dict(request.environ)
    environment["SCRIPT_NAME"] = request.environ.get("SCRIPT_NAME", "") + PREFIX
    environment["PATH_INFO"] = request.environ["PATH_INFO"][len(PREFIX) :] or "/"
    manager = get_auth_manager()
    login = None if manager.is_logged_in() else manager.get_url_login(next_url=request.url)
    environment.update(
        {
            VIEWER: find_viewer(environment["PATH_INFO"]),
            LOGIN_URL: login,
            CSRF_VALUE: generate_csrf(),
            CSRF_IS_GOOD: request.method in SAFE_METHODS or _csrf_is_good(),
        }
    )
    if request.mimetype == FORM:
        # Airflow's own check of the token has read the form, and with it the stream.
        body = urlencode(list(request.form.items(multi=True))).encode()
        environment |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return environment


def _csrf_is_good() -> bool:
    from flask_wtf.csrf import validate_csrf
    from wtforms import ValidationError

    try:
        validate_csrf(request.form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER))
    except ValidationError:
        return False
    return True


def hosting() -> Hosting:
    """Return what the app has to know of the place it is shown in."""
    return Hosting(
        name="Airflow",
        home=Link("Airflow", f"{base_path()}/home"),
        subject_links=subject_links,
        theme_source="airflow",
        csrf=Csrf(field=_csrf_field, check=_csrf_check, header=CSRF_HEADER),
        timezone=compat.setting("webserver", "default_ui_timezone") or None,
    )


def _csrf_field(request: Request) -> tuple[str, str]:
    return CSRF_FIELD, request.scope["wsgi_environ"][CSRF_VALUE]


def _csrf_check(request: Request, _value: str | None) -> bool:
    return bool(request.scope["wsgi_environ"][CSRF_IS_GOOD])


def subject_links(subject: Subject) -> list[Link]:
    """Return where Airflow shows a task."""
    if subject.kind != "task":
        return []
    names = subject.names
    query = {"dag_run_id": names.get("run_id"), "task_id": names.get("task_id")}
    if names.get("map_index", "-1") != "-1":
        query["map_index"] = names["map_index"]
    known = {key: value for key, value in query.items() if value is not None}
    dag = f"{base_path()}/dags/{quote(names.get('dag_id', ''), safe='')}/grid"
    return [Link("Task in Airflow", f"{dag}?{urlencode(known, quote_via=quote)}")]
