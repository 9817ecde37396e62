"""A profiler that fails, hangs or leaves by os._exit changes nothing for the program, and is told of."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab import Lab

FAULTY = str(Path(__file__).parent.parent / "faulty")
PROGRAM = "import sys, time\nprint('out')\nprint('err', file=sys.stderr)\ntime.sleep({sleep})\nsys.exit(5)\n"
LONGEST_SECONDS = 5.0


def run_faulty(lab: Lab, *profilers: str, sleep: float = 0.0) -> float:
    """Run a program with faulty profilers, check how it ends, and return the seconds it took."""
    lab.environment["PYTHONPATH"] = FAULTY
    chosen = [word for name in profilers for word in ("-p", name)]
    script = lab.script(PROGRAM.format(sleep=sleep))
    began = time.monotonic()
    process = lab.start("-q", *chosen, script.name, stderr=-1)
    out, err = process.communicate(timeout=120)
    took = time.monotonic() - began
    assert (out, err, process.returncode) == ("out\n", "err\n", 5)
    return took


@pytest.mark.parametrize(
    ("profiler", "status", "words"),
    [
        ("raises-at-start", "failed", "cannot start today"),
        ("raises-at-stop", "partial", "cannot stop today"),
        ("exits-in-fork", "complete", None),
        ("outside-raises", "failed", "cannot start outside"),
    ],
)
def test_failures_are_told(lab: Lab, profiler: str, status: str, words: str | None) -> None:
    """The recording says what failed; a good profiler beside it is complete."""
    run_faulty(lab, profiler, "writes", sleep=1.0)
    lab.wait_shipped()
    captures = {each["profiler"]: each for each in lab.show()["captures"]}
    assert captures[profiler]["status"] == status
    assert (words is None and captures[profiler]["error"] is None) or words in captures[profiler]["error"]
    assert captures["writes"]["status"] == "complete"


def test_a_profiler_may_close_its_own_files(lab: Lab) -> None:
    """Only what the program closes ends a capture, not the thread of another profiler."""
    run_faulty(lab, "closes-a-file", "streams", sleep=1.0)
    lab.wait_shipped()
    captures = lab.show()["captures"]
    assert {(each["status"], each["error"]) for each in captures} == {("complete", None)}


@pytest.mark.parametrize("profiler", ["hangs-at-stop", "spins-at-stop"])
@pytest.mark.slow
def test_a_hanging_stop_is_given_up(lab: Lab, profiler: str) -> None:
    """It is bounded, and the others still stop."""
    usual = run_faulty(lab, "writes")
    assert run_faulty(lab, profiler, "writes") - usual < LONGEST_SECONDS + usual + 2.0
    lab.wait_shipped()
    shown = lab.show()
    captures = {each["profiler"]: each for each in shown["captures"]}
    assert shown["status"] == "partial"
    assert "given up" in captures[profiler]["error"]
    assert captures["writes"]["status"] == "complete"


@pytest.mark.slow
def test_a_hanging_start_is_given_up(lab: Lab) -> None:
    """The program starts all the same."""
    run_faulty(lab, "hangs-at-start", "writes")
    lab.wait_shipped()
    captures = {each["profiler"]: each for each in lab.show()["captures"]}
    assert (captures["hangs-at-start"]["status"], captures["writes"]["status"]) == ("failed", "complete")
    assert "given up" in captures["hangs-at-start"]["error"]


@pytest.mark.parametrize("profiler", ["hangs-at-checkpoint", "raises-at-checkpoint"])
@pytest.mark.slow
def test_a_failing_checkpoint_delays_nobody(lab: Lab, profiler: str) -> None:
    """The program ends while a checkpoint hangs; a failing one is told of."""
    usual = run_faulty(lab, "writes", sleep=2.5)
    assert run_faulty(lab, profiler, sleep=2.5) - usual < LONGEST_SECONDS + 2.0
    lab.wait_shipped()
    shown = lab.show()
    if profiler == "raises-at-checkpoint":
        assert any("no checkpoint today" in each for each in shown["warnings"])
    assert shown["captures"][0]["status"] in ("complete", "partial")


@pytest.mark.slow
def test_a_watcher_outlives_a_profiler_that_hangs_in_it(lab: Lab) -> None:
    """A profiler that hangs outside costs the program nothing."""
    run_faulty(lab, "outside-hangs", "resources", sleep=1.0)
    lab.wait_shipped()
    captures = {each["profiler"]: each for each in lab.show()["captures"]}
    assert "given up" in captures["outside-hangs"]["error"]
    assert captures["resources"]["status"] == "complete"
