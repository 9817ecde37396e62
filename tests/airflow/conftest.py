"""Leave these tests alone where there is no Airflow."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("airflow") and hasattr(find_spec("airflow"), "origin") else ["*"]
