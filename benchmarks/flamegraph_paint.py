"""Measure the flame graph of the web app in Chromium: its first paint, zooming, searching, bottom-up.

    python benchmarks/flamegraph_paint.py [--nodes 50000] [--rounds 7]

A made-up call tree goes through the same code as a recorded one into `flamegraph.json`; a page with nothing
but the element is served from this machine under the policy of the app. Every round is a new page.

- `first paint`: from asking for the data until the frame that shows it was presented; the transfer, reading
  the JSON and layout are in it. `page` is the same from the start of the navigation.
- `zoom`: from a click on a box until its frame was presented, without the animation (as with the system's
  reduced motion), over 20 boxes from wide to narrow: the median of each round, and the worst.
- `search` and `bottom-up`: from the input until the frame was presented.

Bars: first paint 300 ms, zoom 50 ms, as medians of the rounds. Exit code 1 when one is missed, 2 without
a browser.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from profilerkit.reading import Frame, Metric, StackTree
from profilerkit.stacks.flamegraph import flamegraph

STATIC = Path(__file__).parent.parent / "profilerkit/web/static"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
BARS = {"first paint": 300.0, "zoom": 50.0}
DEEPEST = 60
FUNCTIONS = 4000
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>flame graph</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/tokens.css">
<link rel="stylesheet" href="/app.css"><link rel="stylesheet" href="/parts.css">
<script src="/theme.js"></script><script type="module" src="/app.js"></script></head>
<body><main class="wrap"><section class="card"><pk-flamegraph src="/data.json"></pk-flamegraph></section>
</main></body></html>"""
WATCH = """
window.presented = () => new Promise((done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now());
  channel.port2.postMessage(null);
}));
window.first = new Promise((done) => {
  addEventListener("pk:drawn", () => presented().then(done), { once: true });
});
"""
FIRST = """async () => {
  const painted = await window.first;
  const data = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("data.json"));
  return { "first paint": painted - data.startTime, page: painted };
}"""
ZOOMS = """async () => {
  const element = document.querySelector("pk-flamegraph");
  const { placed } = element.graph;
  const wide = Array.from(placed.width, (_, node) => node).sort((a, b) => placed.width[b] - placed.width[a]);
  const times = [];
  for (let step = 0; step < 20; step++) {
    const began = performance.now();
    element.graph.zoom(wide[Math.floor((step / 20) ** 2 * Math.min(4000, wide.length))]);
    times.push(await presented() - began);
    element.graph.zoom(0);
    await presented();
  }
  return times;
}"""
SEARCH = """async () => {
  const element = document.querySelector("pk-flamegraph");
  const began = performance.now();
  element.find.value = "merge_1";
  element.find.dispatchEvent(new Event("input"));
  return await presented() - began;
}"""
BOTTOM_UP = """async () => {
  const began = performance.now();
  document.querySelector("pk-flamegraph button[value=bottom-up]").click();
  return await presented() - began;
}"""


def made_up_tree(nodes: int) -> StackTree:
    """Return a tree with `nodes` nodes, whose sizes differ as those of real programs do."""
    pick = random.Random(1)
    roots = (("own", "etl"), ("site-packages", "pandas"), ("site-packages", "numpy"), ("stdlib", "json"))
    frames = []
    for number in range(FUNCTIONS):
        root, folder = pick.choices(roots, (2, 4, 2, 2))[0]
        verb = pick.choice(("load", "merge", "read", "concat", "transform", "iterate", "take", "apply"))
        path = f"{folder}/{pick.choice(('core', 'frame', 'merge'))}{number % 60}.py"
        frames.append(Frame(f"{verb}_{number % 900}", path, pick.randint(1, 2000), root))
    parents, frame_ids, depths = [-1], [-1], [0]
    while len(parents) < nodes:
        parent = pick.randrange(max(0, len(parents) - 2000), len(parents)) if pick.random() < 0.8 else 0
        if depths[parent] < DEEPEST:
            parents.append(parent)
            frame_ids.append(pick.randrange(FUNCTIONS))
            depths.append(depths[parent] + 1)
    values = [0.0] + [float(int(pick.paretovariate(1.1) * 1024)) for _ in parents[1:]]
    return StackTree((Metric("heap", "bytes"),), tuple(frames), parents, frame_ids, (values,))


class Served(SimpleHTTPRequestHandler):
    """The page, its data and the static files, under the policy of the app."""

    data = b""
    extensions_map = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(STATIC))

    def do_GET(self) -> None:
        made = {"/": (PAGE.encode(), "text/html"), "/data.json": (self.data, "application/json")}
        if self.path not in made:
            super().do_GET()
            return
        body, kind = made[self.path]
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def measure(url: str, chromium: str, rounds: int) -> list[dict[str, float]]:
    """Return what each round took, in milliseconds."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for _ in range(rounds):
            context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(url)
            times: dict[str, float] = page.evaluate(FIRST)
            zooms = page.evaluate(ZOOMS)
            times["zoom"], times["worst zoom"] = statistics.median(zooms), max(zooms)
            times["search"] = page.evaluate(SEARCH)
            times["bottom-up"] = page.evaluate(BOTTOM_UP)
            found.append(times)
            context.close()
        browser.close()
    return found


def main() -> int:
    """Measure, print the medians beside the bars, and return 1 if one is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("There is no Chromium on this machine.")
        return 2
    Served.data = json.dumps(flamegraph(made_up_tree(chosen.nodes), 0), separators=(",", ":")).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rounds = measure(f"http://127.0.0.1:{server.server_port}/", chromium, chosen.rounds)
    server.shutdown()
    print(
        f"{chosen.nodes:,} nodes, {len(Served.data) / 1e6:.1f} MB of JSON, medians of {chosen.rounds} rounds"
    )
    missed = False
    for name in rounds[0]:
        times = [each[name] for each in rounds]
        bar = BARS.get(name)
        missed |= bar is not None and statistics.median(times) > bar
        bound = "" if bar is None else f"   bar {bar:.0f}"
        print(f"{name:12} {statistics.median(times):6.0f} ms   {min(times):.0f}-{max(times):.0f}{bound}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
