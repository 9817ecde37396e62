"""Say of each route what it is about; a route that is missing here fails a test."""

from __future__ import annotations

OUR_FILES = frozenset({("GET", "/static/{version}/{path:path}")})
"""They are the same for everybody whom Airflow knows."""

OF_A_RECORDING = frozenset(
    {
        ("GET", "/recordings/{recording_id}"),
        ("GET", "/recordings/{recording_id}/reports/{report}"),
        ("GET", "/recordings/{recording_id}/reports/{report}/file"),
        ("GET", "/recordings/{recording_id}/raw/{profiler}/{number}"),
        ("GET", "/api/v1/recordings/{recording_id}"),
        ("GET", "/api/v1/recordings/{recording_id}/hot"),
        ("GET", "/api/v1/recordings/{recording_id}/timelines"),
        ("GET", "/api/v1/recordings/{recording_id}/flamegraph"),
        ("GET", "/api/v1/recordings/{recording_id}/reports/{report}"),
        ("POST", "/api/v1/recordings/{recording_id}/reports/{report}"),
    }
)
OF_TWO_RECORDINGS = frozenset(
    {("GET", "/compare"), ("GET", "/api/v1/compare"), ("GET", "/api/v1/compare/flamegraph")}
)
OF_A_SERIES = frozenset({("GET", "/trend"), ("GET", "/api/v1/trend")})
OF_MANY = frozenset(
    {
        ("GET", "/"),
        ("GET", "/api/v1/recordings"),
        ("GET", "/api/v1/ranking"),
        ("GET", "/api/v1/regressions"),
        ("GET", "/requests"),
    }
)
OF_A_TASK = frozenset({("GET", "/task"), ("GET", "/dag")})
OF_THE_SERVER = frozenset(
    {
        ("GET", "/plugins"),
        ("GET", "/api/v1/plugins"),
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/openapi.json"),
    }
)
"""What is installed here: for everybody whom Airflow knows."""
OF_ADMINISTRATORS = frozenset({("GET", "/setup")})
CHANGES = frozenset(
    {("POST", "/requests"), ("POST", "/requests/clear"), ("POST", "/requests/{request_id}/cancel")}
)

ALL = (
    OUR_FILES
    | OF_A_RECORDING
    | OF_TWO_RECORDINGS
    | OF_A_SERIES
    | OF_MANY
    | OF_A_TASK
    | OF_THE_SERVER
    | OF_ADMINISTRATORS
    | CHANGES
)

OPEN_TASKS = frozenset({"task_open", "retry_open", "child_open", "trigger_open"})
CLOSED_TASKS = frozenset({"task_closed", "retry_closed", "child_closed", "trigger_closed"})
SEES: dict[str, frozenset[str] | None] = {
    "viewer_of_one": OPEN_TASKS,
    "without_code": OPEN_TASKS,
    "editor_of_one": OPEN_TASKS,
    "without_task_instances": frozenset(),
    "nobody": frozenset(),
    "viewer_of_all": OPEN_TASKS | CLOSED_TASKS | {"parse_file"},
    "operator": None,
    "admin": None,
}
"""The recordings that each person may see; None is all of them."""


def fill(path: str, recording_id: str) -> str:
    """Return a route's address for a recording, with a report and a profiler that each recording has."""
    query = "?profiler=cpu" if path.endswith("/flamegraph") else ""
    values = {"recording_id": recording_id, "report": "cpu.collapsed", "profiler": "cpu", "number": "0"}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return f"/profilerkit{path}{query}"
