"""Many instances of one task, each with memory of its own size."""

from __future__ import annotations

import os
from datetime import datetime

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models import DAG

COUNT = int(os.environ.get("MANY_COUNT", "40"))

with DAG("many", schedule=None, start_date=datetime(2024, 1, 1), catchup=False, max_active_tasks=500):

    @task
    def hold(mib: int) -> int:
        """Hold as many MiB as the map index says, and ten more."""
        keep = [bytearray(1 << 20) for _ in range(mib)]
        sum(number * number for number in range(300_000))
        return len(keep)

    hold.expand(mib=list(range(10, 10 + COUNT)))
