"""`profilerkit airflow check`: tell whether everything that profiles tasks works on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import rich_click as click

from profilerkit_airflow import compat

Finding = tuple[bool, str]
"""Whether it is as it should be, and a sentence."""


@click.group("airflow")
def command() -> None:
    """Look after profiles of Airflow's tasks."""


@command.command("check")
def check() -> None:
    """Tell whether tasks are profiled on this machine, and what stands in the way.

    Writes one small object into the store and deletes it. Exit code 1 when something does not work.
    """
    from profilerkit.errors import UnavailableError

    if compat.version() == (0, 0):
        raise UnavailableError("Airflow is not installed here.", "Run this where Airflow runs.")
    findings = [finding for look in LOOKS for finding in _safely(look)]
    for good, sentence in findings:
        click.echo(f"{'ok ' if good else 'no '} {sentence}")
    if not all(good for good, _ in findings):
        raise SystemExit(1)


def _safely(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the command is to tell
        yield False, f"{look.__name__.strip('_')}: {type(error).__name__}: {error}"


def _airflow() -> Iterator[Finding]:
    from profilerkit_airflow import hook

    problem = hook.find_problem(getattr(compat.runner(), compat.SEAM, None))
    version = "{}.{}".format(*compat.version())
    yield problem is None, problem or f"Airflow {version}: tasks can be run inside contexts."


def _policy() -> Iterator[Finding]:
    loaded = compat.policy_is_loaded()
    yield loaded, "The policy is loaded." if loaded else "Airflow has not loaded our policy: install it here."


def _plugin() -> Iterator[Finding]:
    problem = compat.plugin_problem()
    yield problem is None, problem or "The plugin is loaded."


def _rules() -> Iterator[Finding]:
    from profilerkit_airflow.settings import load_settings, recording_settings

    settings = load_settings()
    _, problems = recording_settings()
    for each in (*settings.problems, *problems):
        yield False, each
    asked = ", ".join(settings.on_demand) or "nothing"
    yield True, f"{len(settings.rules)} rules; {asked} may be asked for."


def _profilers() -> Iterator[Finding]:
    from profilerkit import plugins
    from profilerkit_airflow.settings import load_settings

    settings = load_settings()
    wanted = {name for rule in settings.rules for name in rule.profilers} | set(settings.on_demand)
    for name in sorted(wanted):
        try:
            plugins.load(plugins.PROFILERS, name)
        except Exception as error:  # noqa: BLE001 - a broken plugin raises anything
            yield False, f"{name}: {error}"
        else:
            yield True, f"{name} can be loaded."


def _store() -> Iterator[Finding]:
    from profilerkit.stores import open_store
    from profilerkit.storeurl import store_label
    from profilerkit_airflow.settings import load_settings, recording_settings
    from profilerkit_airflow.store import storage_options

    conn_id = load_settings().store_conn_id
    options = storage_options(conn_id)
    if conn_id:
        how = "by Airflow in ship" if "filesystem" in options else "as options of the filesystem"
        yield True, f"The connection {conn_id} is found, and used {how}."
    settings, _ = recording_settings(options)
    store = open_store(settings.store_url, settings.storage_options or None)
    key = f"checks/{os.urandom(8).hex()}"
    store.put(key, b"a check")
    with store.open(key) as stream:
        same = stream.read() == b"a check"
    store.delete(key)
    yield same, f"The store {store_label(settings.store_url)} takes and gives."


LOOKS = (_airflow, _policy, _plugin, _rules, _profilers, _store)
