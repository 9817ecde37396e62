"""Draw what a terminal shows of a run that was killed, as an SVG that loads nothing from anywhere.

    python tools/picture.py docs/images/show.svg

The run, the kill and the output are real: the command runs on a terminal of its own, and what it wrote
there is drawn.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from recorded import command_line, environment, kill_in_the_middle, wait_until_shipped
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 96
COLOURS = "484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4"
THEME = TerminalTheme(
    (0x16, 0x1B, 0x22),
    (0xC9, 0xD1, 0xD9),
    [(red, green, blue) for red, green, blue in map(bytes.fromhex, COLOURS.split())],
)


def shown(folder: Path, *arguments: str) -> str:
    """Return what a profilerkit command writes on a terminal."""
    command = [command_line(), *arguments]
    ours = {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "", "TZ": "UTC", "LANG": "C.UTF-8"}
    leader, follower = pty.openpty()
    with subprocess.Popen(
        command, env={**environment(folder), **ours}, stdout=follower, stderr=subprocess.DEVNULL
    ):
        os.close(follower)
        received = b""
        with contextlib.suppress(OSError):  # how a terminal whose program has ended says so
            while part := os.read(leader, 1 << 16):
                received += part
    os.close(leader)
    return received.decode().replace("\r\n", "\n")


def draw(text: str, title: str) -> str:
    """Return a terminal's text as SVG, in whatever fixed-width font the reader has."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text.strip("\n")), overflow="fold")
    svg = console.export_svg(title=title, theme=THEME, unique_id="show")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono")


def main() -> None:
    """Record, kill, show and draw."""
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="picture-") as scratch:
        folder = Path(scratch)
        kill_in_the_middle(folder, step="transform", cpu_seconds=1.7)
        wait_until_shipped(folder)
        text = shown(folder, "show", "latest")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(draw(text, "profilerkit show latest"), encoding="utf-8")
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
