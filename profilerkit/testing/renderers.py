"""The conformance suite for renderers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve

from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.testing.checks import check_options
from profilerkit.testing.readings import sample_readings, sample_source
from profilerkit.testing.reports import check_report


class RendererTests:
    """Subclass this as `TestSomething` and set `renderer_class`.

    It renders built readings: small, hostile, deep, large, all zero. A renderer that works on raw
    files overrides `sources` to give captures of its own.
    """

    renderer_class: ClassVar[type[ReportRenderer]]
    options: ClassVar[Mapping[str, Any]] = {}
    profiler_name: ClassVar[str] = "sample"
    """The profiler whose captures it accepts, if it asks."""

    def sources(self, folder: Path) -> Iterable[Source]:
        """Yield what to render; `folder` is an empty one for raw files."""
        for reading in sample_readings().values():
            yield sample_source(reading, folder, profiler=self.profiler_name)

    def test_options_have_defaults_and_help(self) -> None:
        """The class is an attrs class, and each of its fields explains itself."""
        check_options(self.renderer_class)

    def test_filename_is_a_plain_name(self) -> None:
        """The file has a name that is safe anywhere and says its type."""
        filename = self.renderer_class.filename
        assert Path(filename).name == filename
        assert Path(filename).suffix != ""
        assert filename.isascii()
        assert filename.isprintable()

    def test_answers_for_any_capture(self, tmp_path: Path) -> None:
        """`accepts` tells yes or no of a capture that was not read yet, is empty, or is another's."""
        renderer = self.renderer_class(**self.options)
        for source in self.sources(tmp_path):
            for contents in (None, (), source.capture.contents):
                for profiler in (source.capture.profiler, "another"):
                    capture = evolve(source.capture, contents=contents, profiler=profiler)
                    assert isinstance(renderer.accepts(capture), bool)

    def test_renders_what_it_accepts(self, tmp_path: Path) -> None:
        """Each report is one file that is not empty, well-formed and harmless."""
        for number, source in enumerate(self._accepted(tmp_path)):
            target = self._render(source, tmp_path / f"out-{number}")
            assert [each.name for each in target.parent.iterdir()] == [target.name]
            check_report(target)

    def test_same_source_same_report(self, tmp_path: Path) -> None:
        """Rendering twice gives the same bytes, so that reports can be cached and compared."""
        for number, source in enumerate(self._accepted(tmp_path)):
            first, second = (
                self._render(source, tmp_path / f"{number}-{time}") for time in ("first", "second")
            )
            assert first.read_bytes() == second.read_bytes()

    def _accepted(self, tmp_path: Path) -> list[Source]:
        folder = tmp_path / "raw"
        folder.mkdir()
        renderer = self.renderer_class(**self.options)
        accepted = [source for source in self.sources(folder) if renderer.accepts(source.capture)]
        assert accepted, "it accepts none of the sources: set profiler_name, or override sources"
        return accepted

    def _render(self, source: Source, folder: Path) -> Path:
        folder.mkdir()
        target = folder / self.renderer_class.filename
        self.renderer_class(**self.options).render(source, target)
        return target
