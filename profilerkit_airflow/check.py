"""`profilerkit airflow check`: tell whether policy, plugin, store, connection and rules work here."""

from __future__ import annotations

import rich_click as click


@click.group("airflow")
def command() -> None:
    """Look after profiles of Airflow's tasks."""


@command.command("check")
def check() -> None:
    """Tell whether tasks are profiled on this machine, and what stands in the way."""
    from profilerkit.errors import UnavailableError
    from profilerkit_airflow import compat, hook

    if compat.version() == (0, 0):
        raise UnavailableError("Airflow is not installed here.", "Run this where Airflow runs.")
    problem = hook.find_problem(getattr(compat.runner(), compat.SEAM, None))
    click.echo(problem or "Tasks can be profiled.")
