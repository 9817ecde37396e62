"""Run every benchmark in turn; each measures against its own bar and exits with 1 when it misses it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Run the benchmarks, all or those that are named, and return 1 if one missed."""
    wanted = sys.argv[1:]
    missed = []
    for path in sorted(Path("benchmarks").glob("*.py")):
        is_benchmark = "__main__" in path.read_text(encoding="utf-8")
        if not is_benchmark or (wanted and path.stem not in wanted):
            continue
        print(f"\n── {path}", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, str(path)], check=False).returncode:
            missed.append(path.stem)
        print(f"({time.monotonic() - began:.0f} s)")
    print(f"\nmissed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
