"""Take the pictures of the web app that the documentation shows, from real recordings of the example ETL.

    python tools/screenshots.py docs/images

Needs Chromium and Playwright. Records six runs (one larger, the last one killed), serves them, and writes
`web-profiles.png`, `web-recording.png`, `web-flamegraph.png` and `web-compare.png`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from recorded import ETL, answer, call, command_line, environment, kill_in_the_middle, wait_until_shipped

ORDERS = (20_000, 22_000, 21_000, 20_000, 60_000)
LARGEST_BYTES = 150_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SETTLED = """() => {
  const parts = [...document.querySelectorAll("pk-flamegraph, pk-timelines, pk-trend, pk-render")];
  return parts.every((part) => part.note) && !document.querySelector(".part-wait, .call.run");
}"""


def record(folder: Path) -> list[str]:
    """Record the runs and return their ids, the oldest first."""
    for orders in ORDERS:
        if call(folder, "run", "--label", "team=shop", ETL, "--orders", str(orders)):
            raise SystemExit("A run of the example failed.")
        wait_until_shipped(folder)
    kill_in_the_middle(folder, step="transform", cpu_seconds=2.0)
    wait_until_shipped(folder)
    return sorted(each["id"] for each in answer(folder, "list"))


def take(
    browser: Browser, url: str, target: Path, *, theme: str = "light", part: str = "", height: int = 860
) -> None:
    """Write a picture of a page, or of one part of it."""
    page = browser.new_page(
        viewport={"width": 1280, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        timezone_id="UTC",
    )
    page.goto(url)
    page.wait_for_function(SETTLED, timeout=120_000)
    page.wait_for_timeout(500)
    (page.locator(part).first if part else page).screenshot(path=target)
    page.close()
    size = target.stat().st_size
    print(f"{target}: {size / 1000:.0f} KB")
    if size > LARGEST_BYTES:
        raise SystemExit(f"{target} is larger than {LARGEST_BYTES / 1000:.0f} KB.")


def main() -> int:
    """Record, serve, and take every picture."""
    folder = Path(sys.argv[1])
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("There is no Chromium on this machine.")
    with tempfile.TemporaryDirectory(prefix="shop-") as scratch, sync_playwright() as playwright:
        ids = record(Path(scratch))
        command = [command_line(), "serve", "--port", "0"]
        with subprocess.Popen(
            command, env=environment(Path(scratch)), stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip().rstrip("/")
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            killed, larger, good = ids[-1], ids[-2], ids[0]
            take(browser, f"{url}/", folder / "web-profiles.png", height=760)
            take(browser, f"{url}/recordings/{killed}", folder / "web-recording.png", theme="dark")
            take(
                browser, f"{url}/recordings/{larger}?tab=flamegraph&profiler=memray",
                folder / "web-flamegraph.png", part="section:has(pk-flamegraph)",
            )  # fmt: skip
            take(browser, f"{url}/compare?a={good}&b={larger}&profiler=memray", folder / "web-compare.png")
            browser.close()
            server.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
