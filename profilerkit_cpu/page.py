"""Make pyinstrument's page of a capture, harmless whatever names it holds, and loading nothing.

Only the page's script and style are pyinstrument's. Its own renderer writes names into a script
unescaped, so that one with `</script>` in it becomes markup, and its page loads fonts from another host.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.util import find_spec
from pathlib import Path

from attrs import define, field, validators

from profilerkit.errors import CaptureError, UnavailableError
from profilerkit.interfaces import ReportRenderer, Source
from profilerkit.model import Capture
from profilerkit.reading import Reading
from profilerkit_cpu.calls import Call, call_tree
from profilerkit_cpu.hook import INSTALL
from profilerkit_cpu.page_tree import PageTree, json_text, page_tree
from profilerkit_cpu.renderers import printable

ENTRY = "pyinstrumentHTMLRenderer"
"""What the page's script defines."""

FOREIGN_URL = re.compile(r"https?://(?!www\.w3\.org/)[^\"'`\s]*")
"""What the script would load (the names of XML's namespaces look the same)."""
NOTHING = "data:text/css,"

OWN_STYLE = """
body { display: flex; flex-direction: column; height: 100vh; }
#app { position: relative; flex: 1; }
.profilerkit-notes { max-height: 25vh; overflow: auto; }
.profilerkit-notes { font: 13px/1.4 sans-serif; color: #ccc; background: #25282a; padding: 6px 30px; }
.profilerkit-notes p { margin: 2px 0; }
.toggle:has(input[value="timeline"]) { visibility: hidden; }
"""
"""Without its view of a time line: a tree that was added up while recording has no order in time."""

OWN_STORAGE = """
(() => {
  const kept = new Map();
  const value = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, text) => { kept.set(key, text); },
    removeItem: (key) => { kept.delete(key); },
  };
  Object.defineProperty(window, "localStorage", { value });
})();
"""
"""In a sandbox the browser's storage may not be used; elsewhere other pages write into it."""

SHOW = f"""
{ENTRY}.render(document.getElementById("app"), JSON.parse(document.getElementById("data").textContent));
"""


@define
class HtmlRenderer(ReportRenderer):
    """Make pyinstrument's page: the call tree, to fold and unfold.

    A capture may name any file. None is opened, so no source line is shown.
    """

    title = "Call tree (pyinstrument)"
    filename = "cpu.html"

    metric: str = field(
        default="wall",
        validator=validators.in_(("wall", "cpu")),
        metadata={"help": "show `wall` or `cpu` time"},
    )
    max_calls: int = field(
        default=10_000,
        validator=validators.ge(1),
        metadata={"help": "leave out the smallest calls where there are more"},
    )
    max_depth: int = field(
        default=200,
        validator=[validators.ge(1), validators.le(1000)],
        metadata={"help": "leave out calls that are nested deeper"},
    )

    def accepts(self, capture: Capture) -> bool:
        """Accept what this profiler left, unless it is known to have no stacks."""
        return capture.profiler == "cpu" and (capture.contents is None or "stacks" in capture.contents)

    def render(self, source: Source, target: Path) -> None:
        """Write the page. Raises CaptureError, and UnavailableError without pyinstrument."""
        script, style = _resources()
        reading = source.reading
        tree = self._tree(reading)
        subject = printable(f"{source.recording.subject}")
        session = _session(source, subject, tree)
        data = f'{{"session":{json_text(session)},"frame_tree":{tree.text}}}'
        notes = [*reading.notes, *([tree.left_out] if tree.left_out else [])]
        if self.metric == "cpu":
            notes.insert(0, "Times are CPU seconds.")
        target.write_text(_page(subject, notes, data, script, style), encoding="utf-8")

    def _tree(self, reading: Reading) -> PageTree:
        if reading.stacks is None:
            raise CaptureError("The capture has no stacks.")
        if self.metric not in {each.name for each in reading.stacks.metrics}:
            raise CaptureError(f"The capture has no {self.metric} time of each call.")

        def seconds_of(call: Call) -> float:
            return call.cpu if self.metric == "cpu" else call.wall

        whole = call_tree(reading.stacks, merge_foreign=False)
        return page_tree(whole, seconds_of, max_calls=self.max_calls, max_depth=self.max_depth)


def _session(source: Source, subject: str, tree: PageTree) -> dict[str, object]:
    """Return what the page's header says."""
    summary = source.reading.summary
    return {
        "start_time": source.recording.started_at.timestamp(),
        "duration": _number(summary.get("wall_seconds")) or tree.seconds or 1e-9,
        "min_interval": 0.001,
        "max_interval": 0.001,  # gives the number of decimals
        "sample_count": int(_number(summary.get("samples"))),
        "start_call_stack": [],
        "target_description": subject,
        "cpu_time": _number(summary.get("cpu_seconds")),
        "sys_path": [],
        "sys_prefixes": tree.foreign,
    }


def _number(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0


def _resources() -> tuple[str, str]:
    """Return pyinstrument's script and style, without importing it."""
    found = find_spec("pyinstrument")
    if found is None or not found.submodule_search_locations:
        raise UnavailableError("This page is pyinstrument's, which is not installed.", INSTALL)
    folder = Path(next(iter(found.submodule_search_locations)), "renderers", "html_resources")
    try:
        script, style = ((folder / name).read_text(encoding="utf-8") for name in ("app.js", "app.css"))
    except OSError:
        script = style = ""
    if ENTRY not in script or "frame_tree" not in script:
        raise UnavailableError(
            "The installed pyinstrument has another page than this version can fill.",
            'Install another: pip install "pyinstrument>=5.0"',
        )
    return FOREIGN_URL.sub(NOTHING, script), FOREIGN_URL.sub(NOTHING, style)


def _page(title: str, notes: Sequence[str], data: str, script: str, style: str) -> str:
    scripts = [re.sub("</(?=script)", r"<\\/", each, flags=re.I) for each in (OWN_STORAGE, script, SHOW)]
    sources = " ".join(f"'sha256-{_digest(each)}'" for each in scripts)
    policy = (
        f"default-src 'none'; script-src {sources}; style-src 'unsafe-inline' data:; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    words = "".join(f"<p>{escape(printable(each))}</p>" for each in notes)
    first, second, last = (f"<script>{each}</script>" for each in scripts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>{style}{OWN_STYLE}</style>
</head>
<body>
<div class="profilerkit-notes">{words}</div>
<div id="app"></div>
<script type="application/json" id="data">{data}</script>
{first}
{second}
{last}
</body>
</html>
"""


def _digest(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode("ascii")
