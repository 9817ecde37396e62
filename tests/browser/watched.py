"""A browser page that notes everything that must not happen: errors, foreign hosts, dialogs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
SETTLED = """() => {
  const parts = [...document.querySelectorAll("pk-flamegraph, pk-timelines, pk-trend, pk-render")];
  return parts.every((part) => part.note) && !document.querySelector(".part-wait");
}"""
SERIOUS = ("serious", "critical")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Watched:
    """A page of one server, in one theme and width. `expected` are words of errors that belong to a test."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        theme: str = "light",
        width: int = 1440,
        expected: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        self.url = url
        self.troubles: list[str] = []
        self.expected = expected
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            locale="en-GB",
            **more,  # type: ignore[arg-type]
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on(
            "dialog", lambda dialog: (self.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        self.page.on("request", lambda request: self._host(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(words in text for words in self.expected):
            self.troubles.append(f"console: {text}")

    def _host(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:", "about:")):
            self.troubles.append(f"request: {url}")

    def open(self, path: str, *, ready: bool = True) -> Page:
        """Go to a page and wait until its parts are drawn."""
        self.page.goto(self.url + path)
        if ready:
            self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until nothing on the page is loading any more."""
        self.page.wait_for_load_state("load")
        self.page.wait_for_function(SETTLED, timeout=60_000)

    def serious(self) -> list[str]:
        """Return what axe-core finds on the page that is serious or worse."""
        # Playwright's evaluate is not bound by the page's policy, as a script element would be.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {iframes: false})")
        return [
            f"{each['id']}: {json.dumps([node['html'][:160] for node in each['nodes'][:3]])}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
        ]

    def close(self) -> None:
        """Close it, and fail on what was noted."""
        self.context.close()
        assert not self.troubles, "\n".join(self.troubles)
