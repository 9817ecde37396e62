"""Run single tasks of `dags/` in real task processes, in an Airflow without servers."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define

from tests.airflow.stack import AIRFLOW_3, Airflow, stored, wait_for

PROGRAM = Path(__file__).with_name("run_tasks.py")


@define
class Result:
    """How a task has run."""

    exit: Any
    """The exit status of its process; negative for a signal."""
    log: str
    xcoms: dict[str, Any]
    variables: dict[str, str]
    seconds: float

    @property
    def returned(self) -> Any:
        """Return what the task returned, out of its JSON."""
        if "return_value" in self.xcoms:
            return json.loads(self.xcoms["return_value"])
        # `airflow tasks test` forgets it.
        found = re.search(r"Returned value was: (\{.*\})", self.log)
        assert found is not None, self.log[-3000:]
        return json.loads(found[1])


class TaskLab:
    """One process that runs tasks one after the other, with a store and a spool for each test."""

    def __init__(self, folder: Path, path: str = "") -> None:
        self.airflow = Airflow(folder)
        if path:
            self.airflow.environment["PYTHONPATH"] = f"{path}:{self.airflow.environment['PYTHONPATH']}"
        self.folder = folder
        self._log = folder / "tasks.log"
        if not AIRFLOW_3:
            self.airflow.run("db", "migrate")
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            env=self.airflow.environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.open("wb"),
            text=True,
        )
        self._answer()
        self._number = 0

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._log.read_text()[-4000:]
        return line

    def new(self) -> TaskRuns:
        """Give a store and a spool of their own."""
        self._number += 1
        folder = self.folder / f"test-{self._number}"
        folder.mkdir()
        return TaskRuns(self, folder)

    def run(self, wanted: Mapping[str, Any]) -> Result:
        """Have one task run."""
        before = self._log.stat().st_size
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._answer())
        log = self._log.read_bytes()[before:].decode(errors="replace")
        return Result(
            answer["exit"], log, answer.get("xcoms", {}), answer.get("variables", {}), answer["seconds"]
        )

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        self._process.kill()


class TaskRuns:
    """Task runs of one test."""

    def __init__(self, lab: TaskLab, folder: Path) -> None:
        self._lab = lab
        self.folder = folder
        self.store = folder / "store"
        self.spool = folder / "spool"

    def run(
        self,
        task: str = "look",
        *,
        rules: Any = (),
        conf: Any = None,
        variables: Mapping[str, str] | None = None,
        try_number: int = 1,
        **settings: str,
    ) -> Result:
        """Run a task of the DAG `small`; `settings` are options of `[profilerkit]`."""
        own = {"store": str(self.store), "spool": str(self.spool), **settings}
        text = rules if isinstance(rules, str) else json.dumps(list(rules))
        environment = {
            f"AIRFLOW__PROFILERKIT__{name.upper()}" if name.islower() else name: value
            for name, value in {**own, "rules": text}.items()
        }
        wanted = {"file": "small.py", "dag": "small", "task": task, "try": try_number}
        wanted |= {"run": "r1" if AIRFLOW_3 else "2024-01-01", "conf": conf, "variables": variables or {}}
        return self._lab.run({**wanted, "environment": environment})

    def recordings(self, count: int = 1, seconds: float = 40.0) -> list[dict[str, Any]]:
        """Wait until this many recordings are in the store and nothing is left in the spool."""

        def done() -> bool:
            if not self.spool.exists():
                return False
            left = [each for each in self.spool.iterdir() if not each.name.startswith(".")]
            return len(stored(self.store)) == count and not left

        wait_for(done, seconds, lambda: f"{len(stored(self.store))} recordings, spool {self.left()}")
        return stored(self.store)

    def left(self) -> list[str]:
        """Return the ids of recordings that were not shipped."""
        if not self.spool.exists():
            return []
        return sorted(each.name for each in self.spool.iterdir() if not each.name.startswith("."))

    def nothing_recorded(self) -> bool:
        """Tell whether there is neither a recording nor a spool of one."""
        time.sleep(0.5)
        return not stored(self.store) and (not self.spool.exists() or not self.left())


@contextlib.contextmanager
def task_lab(folder: Path, path: str = "") -> Iterator[TaskLab]:
    """Give a lab, with packages from `path`, and end it."""
    found = TaskLab(folder, path)
    try:
        yield found
    finally:
        found.stop()
