"""Run the command line as `python -m profilerkit`."""

from __future__ import annotations

from profilerkit.cli import main

main()
