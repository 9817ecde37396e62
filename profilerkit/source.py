"""Give a renderer what it works on, inside the limited subprocess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from profilerkit.codec import recording_from_json
from profilerkit.reading import Reading
from profilerkit.readingjson import reading_from_json
from profilerkit.readings import was_elsewhere


class JobSource:
    """A capture whose files lie here already; see `interfaces.Source`."""

    def __init__(self, question: Mapping[str, Any]) -> None:
        self._question = question
        self.recording = recording_from_json(question["recording"].encode())
        capture = self.recording.capture(question["profiler"])
        assert capture is not None
        self.capture = capture

    @property
    def elsewhere(self) -> bool:
        """Whether it was recorded somewhere else."""
        return was_elsewhere(self.recording)

    @property
    def folder(self) -> Path:
        """The raw files."""
        return Path(self._question["folder"])

    @cached_property
    def reading(self) -> Reading:
        """The neutral content."""
        text = Path(self._question["reading"]).read_bytes().decode("utf-8", "surrogatepass")
        return reading_from_json(json.loads(text))
