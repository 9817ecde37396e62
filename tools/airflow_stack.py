"""Run a real Airflow, 3 or 2, in a folder of its own: for the demo and for the tests of its pages."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
"""What Airflow 3 needs for permissions on single DAGs; Airflow 2 has it built in."""
READY_SECONDS = 600.0
"""How long a component may take to answer; alone on two cores it takes 40 s, among others many times that."""
COMPONENTS = {
    3: ("api-server", "scheduler", "dag-processor", "triggerer"),
    2: ("webserver", "scheduler", "triggerer"),
}


class Airflow:
    """One Airflow: its Python, its home, and what was started of it."""

    def __init__(
        self,
        python: Path,
        home: Path,
        *,
        dags: Path,
        store: str,
        settings: Mapping[str, str] | None = None,
        base_path: str = "",
    ) -> None:
        self.python = python
        self.home = home
        self.dags = dags
        self.store = store
        self.settings = settings or {}
        self.base_path = base_path
        self.port = free_port()
        self.secret = secrets.token_hex(16)
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    @cached_property
    def major(self) -> int:
        """Return 3 or 2."""
        code = "from importlib.metadata import version; print(version('apache-airflow').split('.')[0])"
        answer = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True)
        return int(answer.stdout)

    @property
    def url(self) -> str:
        """Return the address of its pages without a slash at the end."""
        return f"http://localhost:{self.port}{self.base_path}"

    def environment(self) -> dict[str, str]:
        """Return our environment with this Airflow's configuration in place of any other."""
        ours = {
            key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PROFILERKIT"))
        }
        configured = {**self._defaults(), **self.settings}
        names = {f"AIRFLOW__{key.replace('.', '__').upper()}": value for key, value in configured.items()}
        path = f"{self.python.parent}{os.pathsep}{ours.get('PATH', '')}"
        return {**ours, **names, "AIRFLOW_HOME": str(self.home), "PATH": path, "PYTHONUNBUFFERED": "1"}

    def _defaults(self) -> dict[str, str]:
        common = {
            "core.load_examples": "False",
            "core.dags_folder": str(self.dags),
            "core.unit_test_mode": "False",
            "database.sql_alchemy_conn": f"sqlite:///{self.home}/airflow.db",
            "profilerkit.store": self.store,
            "profilerkit.spool": str(self.home / "spool"),
            "scheduler.scheduler_heartbeat_sec": "1",
            "scheduler.enable_health_check": "False",
        }
        return {**common, **(self._of_3() if self.major == 3 else self._of_2())}

    def _of_3(self) -> dict[str, str]:
        return {
            "api.port": str(self.port),
            "api.host": "localhost",
            "api.base_url": f"{self.url}/",
            "api.workers": "1",
            "api.secret_key": self.secret,
            "api_auth.jwt_secret": self.secret,
            "core.execution_api_server_url": f"{self.url}/execution/",
            # A busy machine takes longer than 5 s to answer a task that starts.
            "workers.execution_api_timeout": "60",
            "core.simple_auth_manager_passwords_file": str(self.home / "passwords.json"),
            "dag_processor.refresh_interval": "10",
            "dag_processor.min_file_process_interval": "5",
        }

    def _of_2(self) -> dict[str, str]:
        return {
            "webserver.web_server_port": str(self.port),
            "webserver.web_server_host": "localhost",
            "webserver.base_url": self.url,
            "webserver.workers": "2",
            "webserver.secret_key": self.secret,
            # Tests sign in more often than five times in 40 s.
            "fab.auth_rate_limited": "False",
            "webserver.web_server_master_timeout": "600",
            "webserver.web_server_worker_timeout": "600",
            "core.executor": "SequentialExecutor",
            "scheduler.min_file_process_interval": "5",
            "scheduler.dag_dir_list_interval": "10",
        }

    def simple_users(self, **roles: str) -> None:
        """Have these people, whose password is their name, with the simple auth manager of Airflow 3."""
        people = ",".join(f"{name}:{role}" for name, role in roles.items())
        self.settings = {**self.settings, "core.simple_auth_manager_users": people}
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "passwords.json").write_text(json.dumps({name: name for name in roles}))

    def run(self, *arguments: str) -> str:
        """Run one command of Airflow to its end and return what it printed."""
        return self._finish([str(self.python.with_name("airflow")), *arguments])

    def run_python(self, program: Path, *arguments: str) -> str:
        """Run a Python program inside this Airflow and return what it printed."""
        return self._finish([str(self.python), str(program), *arguments])

    def _finish(self, command: list[str]) -> str:
        found = subprocess.run(
            command, env=self.environment(), cwd=self._folder(), check=False, capture_output=True, text=True
        )
        if found.returncode:
            raise RuntimeError(
                f"{' '.join(command)} ended with {found.returncode}:\n{found.stdout}\n{found.stderr}"
            )
        return found.stdout

    def _folder(self) -> Path:
        """Return where commands run: Airflow puts its working folder on `sys.path`."""
        self.home.mkdir(parents=True, exist_ok=True)
        return self.home

    def start(self, *components: str) -> None:
        """Start some components, all when none is named; their output goes to `logs/` in the home."""
        for component in components or COMPONENTS[self.major]:
            self._folder().joinpath("logs").mkdir(exist_ok=True)
            with (self.home / "logs" / f"{component}.log").open("ab") as output:
                self.started[component] = subprocess.Popen(
                    [str(self.python.with_name("airflow")), component],
                    env=self.environment(),
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def wait_until_ready(self) -> None:
        """Wait until the web server answers. Raises RuntimeError with its log when it does not."""
        path = "/api/v2/monitor/health" if self.major == 3 else "/health"
        self.wait_for(lambda: answers(f"{self.url}{path}"), "the web server to answer")

    def wait_for(self, condition: Callable[[], Any], what: str, *, seconds: float = READY_SECONDS) -> Any:
        """Return the first truth of a condition. Raises RuntimeError with the ends of the logs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            ended = [name for name, each in self.started.items() if each.poll() is not None]
            if ended:
                raise RuntimeError(f"{', '.join(ended)} ended while waiting for {what}.\n{self.logs()}")
            time.sleep(1)
        raise RuntimeError(f"Waited {seconds:.0f} s for {what}.\n{self.logs()}")

    def logs(self, characters: int = 3000) -> str:
        """Return the end of each component's output."""
        files = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(
            f"---- {each.name}\n{each.read_text(errors='replace')[-characters:]}" for each in files
        )

    def stop(self) -> None:
        """End what was started, with everything that it started."""
        for each in self.started.values():
            signal_group(each, signal.SIGINT)
        for each in self.started.values():
            try:
                each.wait(15)
            except subprocess.TimeoutExpired:
                pass
            signal_group(each, signal.SIGKILL)
            each.wait()
        self.started.clear()


@contextlib.contextmanager
def running(airflow: Airflow, *components: str) -> Iterator[Airflow]:
    """Start an Airflow and stop it again, whatever happens."""
    try:
        airflow.start(*components)
        airflow.wait_until_ready()
        yield airflow
    finally:
        airflow.stop()


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a process and to what belongs to its session, if any is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def answers(url: str) -> bool:
    """Tell whether a GET succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
