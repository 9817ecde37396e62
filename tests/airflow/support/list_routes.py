"""Print every route of the web app as Airflow has it; run by the Python of that Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from profilerkit_airflow import compat
from profilerkit_airflow.hosted import make_app


def flat(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield method and path of each route; some versions of FastAPI keep included routers as they are."""
    for each in routes:
        if hasattr(each, "original_router"):
            yield from flat(each.original_router.routes, prefix + each.include_context.prefix)
        elif hasattr(each, "methods"):
            yield from ((method, prefix + each.path) for method in sorted(each.methods or ()))
        else:
            yield "MOUNT", prefix + each.path


def main() -> None:
    """Print them as JSON."""
    if compat.is_airflow_3():
        from profilerkit_airflow.views_airflow3 import Airflow3Access as Here
        from profilerkit_airflow.views_airflow3 import hosting
    else:
        from profilerkit_airflow.views_airflow2 import Airflow2Access as Here  # type: ignore[assignment]
        from profilerkit_airflow.views_airflow2 import hosting
    print(json.dumps(sorted(set(flat(make_app(Here(), hosting()).routes)))))


if __name__ == "__main__":
    main()
