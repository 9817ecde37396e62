"""Register with Airflow what its web pages show of us."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class ProfilerKitPlugin(AirflowPlugin):
    """The plugin; Airflow reads its fields."""

    name = "profilerkit"
