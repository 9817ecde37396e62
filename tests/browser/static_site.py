"""Serve the static files and one page with one element, so that its data can be chosen exactly."""

from __future__ import annotations

import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from profilerkit.web.gate import PAGE_POLICY

STATIC = Path(__file__).parent.parent.parent / "profilerkit/web/static"
POLICY = PAGE_POLICY.format(ancestors="'self'")
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>one element</title>
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/tokens.css">
<link rel="stylesheet" href="/app.css"><link rel="stylesheet" href="/parts.css">
<link rel="stylesheet" href="/vendor/uplot/uPlot.min.css">
<script src="/theme.js"></script><script type="module" src="/app.js"></script></head>
<body><main class="wrap"><h1>One element</h1><section class="card">{element}</section></main></body></html>"""


class StaticSite:
    """The static files under the policy of the app, a page at `/` and its data at `/data.json`."""

    def __init__(self) -> None:
        self.page = b""
        self.data = b""
        site = self

        class Handler(SimpleHTTPRequestHandler):
            extensions_map = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(STATIC))

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path not in ("/", "/data.json"):
                    super().do_GET()
                    return
                body, kind = (site.page, "text/html") if path == "/" else (site.data, "application/json")
                self.send_response(200)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def end_headers(self) -> None:
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("Cache-Control", "no-store")
                super().end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, element: str, data: object) -> None:
        """Choose the element of the page and its data."""
        self.page = PAGE.format(element=element).encode()
        self.data = json.dumps(data).encode()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
