"""Know which Airflow this is; nothing else here does.

Everything is looked up when it is called: this is imported while Airflow itself is half made.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

SUPPORTED = ((2, 10), (2, 11), (3, 1), (3, 2), (3, 3))
"""The versions that tasks are profiled on; on others they run unprofiled, with one warning."""

RUNNERS = {2: "airflow.models.taskinstance", 3: "airflow.sdk.execution_time.task_runner"}
SEAM = "_execute_task"
"""The function of the runner that runs the code of one task, once per segment, templates rendered."""
SEAM_PARAMETERS = {2: ["task_instance", "context", "task_orig"], 3: ["context", "ti", "log"]}


@functools.cache
def version() -> tuple[int, int]:
    """Return major and minor version of the installed Airflow; (0, 0) where there is none."""
    try:
        major, minor = import_module("airflow").__version__.split(".")[:2]
    except ImportError:
        return 0, 0
    return int(major), int(minor)


def is_airflow_3() -> bool:
    """Tell whether this is Airflow 3."""
    return version()[0] >= 3


def runner() -> Any:
    """Return the module that runs tasks."""
    # `python -m airflow.sdk.execution_time.task_runner` looks its functions up in `__main__`.
    name = RUNNERS[3 if is_airflow_3() else 2]
    main = sys.modules.get("__main__")
    if getattr(getattr(main, "__spec__", None), "name", None) == name:
        return main
    return import_module(name)


def seam_parameters() -> list[str]:
    """Return the names of the parameters that the seam has in the versions that we know."""
    return SEAM_PARAMETERS[3 if is_airflow_3() else 2]


def seam_arguments(given: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Return the task instance and its context out of the seam's arguments by name."""
    return given["ti" if "ti" in given else "task_instance"], given["context"]


# -- settings, entry points ------------------------------------------------------------------


def conf() -> Any:
    """Return Airflow's configuration, as the process at hand has it."""
    try:
        from airflow.sdk.configuration import conf as found
    except ImportError:
        from airflow.configuration import conf as found
    return found


def setting(section: str, name: str, default: str = "") -> str:
    """Return one setting of Airflow as text."""
    value = conf().get(section, name, fallback=default)
    return default if value is None else str(value)


def entry_points(group: str) -> list[Any]:
    """Return the entry points of a group out of Airflow's own cache, as far as it has one."""
    for module in ("airflow.sdk._shared.module_loading", "airflow.utils.entry_points"):
        try:
            return [each for each, _ in import_module(module).entry_points_with_dist(group)]
        except (ImportError, AttributeError):
            continue
    from importlib.metadata import entry_points as find

    return list(find(group=group))


def policy_is_loaded() -> bool:
    """Tell whether Airflow has registered our cluster policy in this process."""
    settings = import_module("airflow.settings")
    settings.initialize()
    found = getattr(settings, "get_policy_plugin_manager", None)
    manager = found() if found is not None else settings.POLICY_PLUGIN_MANAGER
    names = {getattr(plugin, "__name__", "") for plugin in manager.get_plugins()}
    return "profilerkit_airflow.policy" in names


def plugin_problem() -> str | None:
    """Return why Airflow has not loaded our plugin in this process, or None."""
    manager = import_module("airflow.plugins_manager")
    if hasattr(manager, "_get_plugins"):
        found, errors = manager._get_plugins()
    else:
        manager.ensure_plugins_loaded()
        found, errors = manager.plugins, manager.import_errors
    if any(each.name == "profilerkit" for each in found or ()):
        return None
    told = [f"{where}: {error}" for where, error in (errors or {}).items()]
    ours = [each for each in told if "profilerkit" in each]
    return f"Airflow has not loaded our plugin: {'; '.join(ours) or 'it is not found here'}."


# -- what became of a task -------------------------------------------------------------------


def outcome_of(error: BaseException | None) -> str:
    """Return the outcome of a task's code that ended with this exception, or without one."""
    if error is None:
        return "success"
    names = {each.__name__ for each in type(error).__mro__}
    for outcome, kinds in _OUTCOMES:
        if kinds & names:
            return outcome
    # Airflow 2 takes `sys.exit(0)` for success, before it gets here.
    return "failed"


_OUTCOMES = (
    ("deferred", {"TaskDeferred"}),
    ("rescheduled", {"AirflowRescheduleException"}),
    ("success", {"DownstreamTasksSkipped"}),  # it skips others
    ("skipped", {"AirflowSkipException"}),
    ("timeout", {"AirflowTaskTimeout"}),
    ("killed", {"AirflowTaskTerminated", "KeyboardInterrupt"}),
)
"""By name, up the classes: where they are defined moves with each version."""


# -- operators -------------------------------------------------------------------------------


def python_decorated_operator() -> Any:
    """Return the operator class of `@task`."""
    for name in ("airflow.providers.standard.decorators.python", "airflow.decorators.python"):
        try:
            return import_module(name)._PythonDecoratedOperator
        except (ImportError, AttributeError):
            continue
    raise ImportError("Airflow's own @task cannot be found: install apache-airflow-providers-standard.")


def operator_link() -> Any:
    """Return the base class of operator links."""
    return import_module("airflow.sdk" if is_airflow_3() else "airflow.models").BaseOperatorLink


def task_decorator_factory() -> Any:
    """Return what makes task decorators."""
    name = "airflow.sdk.bases.decorator" if is_airflow_3() else "airflow.decorators.base"
    return import_module(name).task_decorator_factory


def operator_parameters(operator_class: type) -> set[str]:
    """Return the names of all parameters that an operator class takes, up its bases."""
    found: set[str] = set()
    for each in operator_class.__mro__:
        # Airflow wraps constructors: the signature of what was wrapped counts.
        found |= (
            set(inspect.signature(vars(each)["__init__"]).parameters) if "__init__" in vars(each) else set()
        )
    return found - {"self", "args", "kwargs", "keywords"}


# -- Variables and connections ---------------------------------------------------------------


def read_variable(key: str) -> str | None:
    """Return a Variable, None when there is none."""
    variable = _sdk("Variable")
    default = "default" if is_airflow_3() else "default_var"
    value = variable.get(key, **{default: None})
    return None if value is None else str(value)


def write_variable(key: str, value: str) -> None:
    """Set a Variable."""
    _sdk("Variable").set(key, value)


def connection(conn_id: str) -> Any:
    """Return a connection, from wherever Airflow finds it."""
    if is_airflow_3():
        return _sdk("Connection").get(conn_id)
    from airflow.models.connection import Connection

    return Connection.get_connection_from_secrets(conn_id)


def connection_as_json(found: Any) -> str:
    """Return a connection as JSON, as Airflow reads it from an environment variable."""
    names = ("conn_type", "host", "login", "password", "schema", "port")
    fields = {name: getattr(found, name, None) for name in names}
    return json.dumps({**fields, "extra": found.extra_dejson})


def filesystem(scheme: str, conn_id: str) -> Any:
    """Return the fsspec filesystem that Airflow makes for a connection."""
    return import_module("airflow.sdk.io" if is_airflow_3() else "airflow.io").get_fs(scheme, conn_id)


def _sdk(name: str) -> Any:
    if is_airflow_3():
        return getattr(import_module("airflow.sdk"), name)
    return getattr(import_module("airflow.models"), name)


# -- metrics, addresses, places --------------------------------------------------------------


def stats() -> Any:
    """Return what metrics are sent through: `incr`, `gauge` and `timing` with tags."""
    try:
        return import_module("airflow.sdk.observability.stats")
    except ImportError:
        return import_module("airflow.stats").Stats


def base_url() -> str:
    """Return the address of Airflow's web pages without a slash at its end, empty when it is not set."""
    found = setting("api", "base_url") if is_airflow_3() else setting("webserver", "base_url")
    return found.rstrip("/")


def in_own_pod() -> bool:
    """Tell whether this task has a pod of its own, which ends as soon as the task does."""
    return "AIRFLOW_IS_K8S_EXECUTOR_POD" in os.environ


def own_folders(task_instance: Any) -> Iterator[str]:
    """Yield the folders that a task's own code comes from: its bundle, or the DAGs folder."""
    bundle = getattr(task_instance, "bundle_instance", None)
    if bundle is not None and getattr(bundle, "path", None):
        yield str(bundle.path)
    dag = getattr(getattr(task_instance, "task", None), "dag", None)
    if dag is not None and getattr(dag, "folder", None):
        yield str(dag.folder)
    dags = setting("core", "dags_folder")
    if dags:
        yield dags
