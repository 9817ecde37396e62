"""Read and render many captures in one process with limits, as the worker does with one; it may die."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from profilerkit import worker


def main() -> None:
    """Answer each question on standard input by one line: the answer to reading, and to each report."""
    limits = json.loads(sys.stdin.readline())
    worker._limit(limits)
    for line in sys.stdin:
        question = json.loads(line)
        question["limits"] = limits
        answers = {"read": worker._answer({**question, "do": "read", "target": question["reading"]})}
        if "error" not in answers["read"]:
            for name, entry in question["renderers"].items():
                answers[name] = worker._answer({**question, "do": "render", "entry": entry, "options": {}})
                Path(question["target"]).unlink(missing_ok=True)
        _say(answers)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
