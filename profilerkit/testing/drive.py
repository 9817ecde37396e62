"""Do one thing with a profiler in a process of its own, for `ProfilerTests`.

Run as `python drive.py REQUEST`, a JSON file: `act` is the name of a function here, `answer` the file
where its result goes, as {"value": …} or {"error": its class and bases, "text": …}.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder: its modules are not top-level ones

import contextlib
import importlib
import json
import os
import signal
import subprocess
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

Request = dict[str, Any]
Work = Callable[[], None]


def main(request: Request) -> None:
    """Do what is asked and write the answer."""
    sys.path[:] = request["sys_path"]
    answer: dict[str, Any]
    try:
        answer = {"value": globals()[request["act"]](request)}
    except Exception as error:  # noqa: BLE001 - whatever a profiler raises is the answer
        answer = {"error": [each.__name__ for each in type(error).__mro__], "text": traceback.format_exc()}
    Path(request["answer"]).write_text(json.dumps(answer), encoding="ascii")


# -- acts ---------------------------------------------------------------------------------------


def import_module(request: Request) -> list[str]:
    """Return the modules that importing the profiler's module brings."""
    before = set(sys.modules)
    importlib.import_module(request["module"])
    return sorted(set(sys.modules) - before)


def record(request: Request) -> dict[str, Any]:
    """Record the workload once, and tell what `stop` left behind."""
    taken_before, threads_before = _taken(request), set(threading.enumerate())
    _record_once(request, Path(request["folder"]))
    return {
        "kept": sorted(name for name, value in _taken(request).items() if value != taken_before[name]),
        "threads": [each.name for each in _new_threads(threads_before)],
    }


def record_twice(request: Request) -> None:
    """Record the workload into `folder`, then into `second_folder`."""
    _record_once(request, Path(request["folder"]))
    _record_once(request, Path(request["second_folder"]))


def record_with_checkpoints(request: Request) -> None:
    """Record with two checkpoints, on a thread that is not the user's."""
    with _recorded(request) as (profiler, target, work):
        profiler.start(Path(request["folder"]), target)
        for _ in range(2):
            work()
            _on_another_thread(profiler.checkpoint)
        work()
        profiler.stop()


def record_and_stop_elsewhere(request: Request) -> None:
    """Record and stop on a thread that is not the one of `start`."""
    with _recorded(request) as (profiler, target, work):
        profiler.start(Path(request["folder"]), target)
        work()
        _on_another_thread(profiler.stop)


def record_until_killed(request: Request) -> None:
    """Record for ever, after a checkpoint if one is wanted; `started` is made when that is done."""
    with _recorded(request) as (profiler, target, work):
        profiler.start(Path(request["folder"]), target)
        if request["checkpoint"]:
            work()
            _on_another_thread(profiler.checkpoint)
        Path(request["started"]).touch()
        while True:
            work()


def record_and_fork(request: Request) -> int:
    """Fork under a live recording and return how the child ended, which let go and worked on."""
    with _recorded(request) as (profiler, target, work):
        profiler.start(Path(request["folder"]), target)
        work()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads at a fork
            child = os.fork()
        if child == 0:
            _be_the_child(request, profiler)
        status = os.waitpid(child, 0)[1]
        work()
        profiler.stop()
    return os.waitstatus_to_exitcode(status)


def fail_to_start(request: Request) -> dict[str, str | None]:
    """Start where nothing can be written, stop all the same, then record properly."""
    with _recorded(request) as (profiler, target, work):
        failures = {"start": _failure(lambda: profiler.start(Path(request["no_folder"]), target))}
        work()
        failures["stop"] = _failure(profiler.stop)
    _record_once(request, Path(request["folder"]))
    return failures


def read(request: Request) -> list[dict[str, Any]]:
    """Read each of `folders`; the number of the one being read is in `progress`, in case of a crash."""
    answers = []
    for number, folder in enumerate(request["folders"]):
        Path(request["progress"]).write_text(str(number), encoding="ascii")
        answers.append(_read_once(request, Path(folder)))
    return answers


def be_recorded(request: Request) -> None:
    """Be the process that an OUTSIDE profiler records: do the workload for each line on stdin."""
    _profiler(request).prepare(_target(os.getpid()))
    work = _workload(request)
    print("ready", flush=True)  # noqa: T201 - the word that the recording process waits for
    for _ in sys.stdin:
        work()
        print("done", flush=True)  # noqa: T201


# -- how they do it -----------------------------------------------------------------------------


def _record_once(request: Request, folder: Path) -> None:
    with _recorded(request) as (profiler, target, work):
        profiler.start(folder, target)
        work()
        profiler.stop()


@contextlib.contextmanager
def _recorded(request: Request) -> Iterator[tuple[Any, Any, Work]]:
    """Yield a profiler, what it records, and a call that makes that do the workload."""
    profiler = _profiler(request)
    if profiler.placement.value == "inside":
        target = _target(os.getpid())
        profiler.check(target)
        yield profiler, target, _workload(request)
        return
    arguments = [sys.executable, __file__, request["request"], "be_recorded"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        _expect("ready", process.stdout.readline())
        target = _target(process.pid)
        profiler.check(target)

        def work() -> None:
            print("work", file=process.stdin, flush=True)
            _expect("done", process.stdout.readline())  # type: ignore[union-attr]

        yield profiler, target, work


def _expect(word: str, line: str) -> None:
    if line.strip() != word:
        raise RuntimeError(f"the recorded process said {line!r} instead of {word!r}")


def _profiler(request: Request) -> Any:
    return _profiler_class(request)(**request["options"])


def _profiler_class(request: Request) -> Any:
    found: Any = importlib.import_module(request["module"])
    for name in request["class"].split("."):
        found = getattr(found, name)
    return found


def _target(pid: int) -> Any:
    from profilerkit.model import ProcessIdentity, Subject, Target
    from profilerkit.process import cgroup_folder, identity

    return Target(
        process=ProcessIdentity(**identity(pid)),
        subject=Subject("script", {"name": "conformance"}),
        thread_id=threading.get_native_id() if pid == os.getpid() else pid,
        cgroup=cgroup_folder(pid),
    )


def _workload(request: Request) -> Work:
    """Return the workload as user's code; what it keeps stays alive, as it would in a program."""
    file = Path(request["workload_file"])
    code = compile(file.read_text(encoding="utf-8"), str(file), "exec")
    kept: list[dict[str, Any]] = []

    def work() -> None:
        kept.append({"__name__": "__main__"})
        exec(code, kept[-1])

    return work


def _be_the_child(request: Request, profiler: Any) -> None:
    status = 1
    try:
        profiler.abandon()
        _workload({"workload_file": request["child_file"]})()
        status = 0
    except Exception:  # noqa: BLE001 - told by the exit status
        traceback.print_exc()
    if request["child_exit"] == "abrupt":
        os._exit(status)
    sys.exit(status)


def _read_once(request: Request, folder: Path) -> dict[str, Any]:
    from profilerkit.errors import CaptureError
    from profilerkit.interfaces import CaptureFiles
    from profilerkit.reading import Reading
    from profilerkit.readingjson import reading_from_json, reading_to_json

    profiler_class = _profiler_class(request)
    capture = CaptureFiles(
        folder=folder,
        options=request["options"],
        versions={name: version(name) for name in profiler_class.distributions},
        roots={"own": str(Path(request["workload_file"]).parent)},
        interrupted=request["interrupted"],
    )
    try:
        reading = profiler_class.read(capture)
        if not isinstance(reading, Reading):
            raise TypeError(f"read returned {type(reading).__name__}, not a Reading")
        data = reading_to_json(reading)
        again = reading_to_json(reading_from_json(json.loads(json.dumps(data))))
    except CaptureError as error:
        return {"capture_error": str(error)}
    except Exception:  # noqa: BLE001 - the suite tells what was raised
        return {"wrong": traceback.format_exc()}
    return {"reading": data, "survives_json": again == json.loads(json.dumps(data))}


def _taken(request: Request) -> dict[str, Any]:
    """Return what is installed now at each place that the profiler claims and that can be looked up."""
    found: dict[str, Any] = {}
    for claim in _profiler(request).claims():
        if claim == "sys.setprofile":
            found[claim] = repr(sys.getprofile())
        elif claim.startswith("signal:"):
            found[claim] = repr(signal.getsignal(signal.Signals[claim.partition(":")[2]]))
    return found


def _new_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return threads that were not there before and do not end by themselves."""
    end = time.monotonic() + 3.0
    new = [each for each in threading.enumerate() if each not in before]
    while new and time.monotonic() < end:
        new[0].join(0.1)
        new = [each for each in threading.enumerate() if each not in before]
    return new


def _on_another_thread(call: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    thread = threading.Thread(target=run, name="session")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _failure(call: Callable[[], None]) -> str | None:
    try:
        call()
    except Exception:  # noqa: BLE001 - the suite judges it
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    asked: Request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if sys.argv[2:]:
        sys.path[:] = asked["sys_path"]
        be_recorded(asked)
    else:
        main(asked)
