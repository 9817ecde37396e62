"""A third party's distribution: three profilers, four renderers and a page, through entry points alone."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from profilerkit.interfaces import CaptureFiles, Profiler, ReportRenderer, Source
from profilerkit.model import Capture, Target
from profilerkit.reading import Reading
from profilerkit.readingjson import reading_from_json
from profilerkit.web.access import Viewer
from profilerkit.web.added import PageContext


class Kept(Profiler):
    """Read what lies in the capture as a reading; nothing is recorded in these tests."""

    def start(self, folder: Path, target: Target) -> None:
        """Record nothing."""

    def stop(self) -> None:
        """Record nothing."""

    @classmethod
    def read(cls, capture: CaptureFiles) -> Reading:
        """Return the reading that lies there, and leave a trace."""
        with open(f"{os.environ['NEIGHBOURS_TRACE']}-of-reading", "ab") as trace:
            trace.write(b"x")
        return reading_from_json(json.loads((capture.folder / "reading.json").read_text()))


class Calls(Kept):
    """Functions without stacks."""

    title = "Calls"


class Beats(Kept):
    """Numbers over time alone."""

    title = "Beats"


class Steps(Kept):
    """Stacks."""

    title = "Steps"


class OfCalls(ReportRenderer):
    """What is made of calls alone."""

    def accepts(self, capture: Capture) -> bool:
        """Accept what has functions."""
        return "functions" in (capture.contents or ())


class PageRenderer(OfCalls):
    """A page that is up to no good."""

    title = "Calls as a page"
    filename = "calls.html"

    def render(self, source: Source, target: Path) -> None:
        """Write scripts that want out."""
        target.write_text(
            "<!doctype html><html><head><title>x</title></head><body><script>"
            "localStorage.setItem('a', 'b'); document.title = 'ran'; parent.document;</script></body></html>"
        )


class StuckRenderer(OfCalls):
    """A renderer that never ends."""

    title = "Stuck"
    filename = "stuck.txt"

    def render(self, source: Source, target: Path) -> None:
        """Say that it began, and never end."""
        time.sleep(3600)


class BrokenRenderer(OfCalls):
    """A renderer that fails."""

    title = "Broken"
    filename = "broken.txt"

    def render(self, source: Source, target: Path) -> None:
        """Fail with words of a hostile kind."""
        raise ValueError("<script>alert(1)</script>\r\nSet-Cookie: a=b")


class CountedRenderer(OfCalls):
    """A renderer that leaves a trace each time."""

    title = "Counted"
    filename = "counted.bin"

    def render(self, source: Source, target: Path) -> None:
        """Take a while, and append to a file that the test named."""
        with open(os.environ["NEIGHBOURS_TRACE"], "ab") as trace:
            trace.write(b"x")
        time.sleep(1.0)
        target.write_bytes(b"made")


class Costs:
    """A page of a third party."""

    title = "Costs"
    slug = "costs"
    templates = Path(__file__).with_name("neighbours_templates")

    def visible(self, viewer: Viewer) -> bool:
        """Say that it is for admins."""
        return viewer.is_admin

    def router(self, context: PageContext) -> APIRouter:
        """Return a page with a form's address."""
        router = APIRouter()

        @router.get("/")
        def first(request: Request) -> Response:
            return context.page(
                request, "costs.html", words="1 < 2", more=context.address(request, "/more", {"a": "b c"})
            )

        return router
