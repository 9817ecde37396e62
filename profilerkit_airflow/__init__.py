"""Profile the tasks of Airflow 3 and 2, and never fail one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from profilerkit_airflow.decorators import profiled

__all__ = ["profiled"]


def __getattr__(name: str) -> Any:
    """Import what DAG files use on first use: every process of Airflow imports this package."""
    if name == "profiled":
        from profilerkit_airflow.decorators import profiled

        return profiled
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
