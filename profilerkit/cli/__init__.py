"""Give the command line: one module per command, imported only when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code; errors are one line on the standard error."""
    from profilerkit.cli.app import run

    sys.exit(run(sys.argv[1:]))
