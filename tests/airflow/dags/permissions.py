"""Two DAGs in two files' worth of permissions: one that a viewer may see, one that they may not."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG
    from airflow.decorators import task

for dag_id in ("open_dag", "closed_dag"):
    with DAG(dag_id, start_date=datetime(2026, 1, 1), schedule=None, catchup=False) as dag:

        @task
        def load() -> int:
            """Return something."""
            return 1

        load()
    globals()[dag_id] = dag
