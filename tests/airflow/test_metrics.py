"""Metrics reach a real StatsD listener and an OTLP endpoint, those of killed tasks once."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.airflow.lab import TaskRuns
from tests.airflow.stack import wait_for

STATSD = {
    "AIRFLOW__METRICS__STATSD_ON": "True",
    "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
    "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
}


class Listener:
    """A StatsD server that keeps the lines it gets."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self.lines += self.socket.recv(1 << 16).decode().splitlines()

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that have Airflow send here."""
        return {**STATSD, "AIRFLOW__METRICS__STATSD_PORT": str(self.socket.getsockname()[1])}

    def ours(self, name: str) -> list[str]:
        """Return the lines of one metric of ours."""
        return [each for each in self.lines if each.startswith(f"airflow.profilerkit.{name}")]


@pytest.fixture
def listener() -> Listener:
    """Give a StatsD listener."""
    return Listener()


def test_a_recording_sends_its_numbers_with_tags(tasks: TaskRuns, listener: Listener) -> None:
    """Peak, CPU time and duration as gauges, recordings by status and outcome."""
    tasks.run(rules=[{"profilers": ["resources", "cpu"]}], **listener.settings)
    wait_for(lambda: listener.ours("duration_seconds"), 10, lambda: str(listener.lines))
    (counted,) = listener.ours("recordings")
    name, kind = counted.rsplit(":", 1)
    assert kind == "1|c"
    tags = dict(each.split("=") for each in name.split(",")[1:])
    assert tags == {"dag_id": "small", "task_id": "look", "status": "complete", "outcome": "success"}
    (peak,) = listener.ours("peak_rss_bytes")
    assert peak.startswith("airflow.profilerkit.peak_rss_bytes,dag_id=small,task_id=look:")
    assert float(peak.rsplit(":", 1)[1].removesuffix("|g")) > 30 << 20
    assert len(listener.ours("cpu_seconds")) == 1


def test_a_killed_recording_is_sent_once_by_the_next_task(tasks: TaskRuns, listener: Listener) -> None:
    """As interrupted, with what the upload found out; no later task sends it again."""
    rules = [{"profilers": ["resources"]}]
    tasks.run("killed", rules=rules)
    tasks.recordings(1)
    for count in (2, 3):
        tasks.run(rules=rules, **listener.settings)
        tasks.recordings(count)
    wait_for(lambda: len(listener.ours("recordings")) >= 3, 10, lambda: str(listener.lines))
    interrupted = [each for each in listener.ours("recordings") if "status=interrupted" in each]
    assert len(interrupted) == 1
    assert "task_id=killed" in interrupted[0] and "outcome=killed" in interrupted[0]
    shipped = [each for each in listener.ours("shipped_bytes") if "task_id=killed" in each]
    assert len(shipped) == 1
    assert len([each for each in listener.ours("ship_seconds") if "task_id=killed" in each]) == 1


@pytest.fixture
def endpoint() -> Iterator[tuple[int, list[bytes]]]:
    """Give the port of an OTLP endpoint over HTTP, and what was posted to it."""
    posted: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], posted
    server.shutdown()


def test_metrics_go_to_an_otlp_endpoint(tasks: TaskRuns, endpoint: tuple[int, list[bytes]]) -> None:
    """With the same names and tags."""
    port, posted = endpoint
    address = f"http://127.0.0.1:{port}"
    tasks.run(
        rules=[{"profilers": ["resources"]}],
        AIRFLOW__METRICS__OTEL_ON="True",
        AIRFLOW__METRICS__OTEL_HOST="127.0.0.1",
        AIRFLOW__METRICS__OTEL_PORT=str(port),
        AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS="500",
        OTEL_EXPORTER_OTLP_ENDPOINT=address,
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{address}/v1/metrics",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    wait_for(
        lambda: any(b"profilerkit.peak_rss_bytes" in each for each in posted), 15, lambda: str(len(posted))
    )
    (found,) = {b"task_id" in each and b"look" in each for each in posted if b"profilerkit.peak" in each}
    assert found
