"""Check what is in a wheel: every package whole and typed, the licence, and nothing that strayed in."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGES = (
    "profilerkit",
    "profilerkit_memray",
    "profilerkit_cpu",
    "profilerkit_resources",
    "profilerkit_airflow",
)
SUFFIXES = (".py", "py.typed")
PAGES = ("profilerkit/web/static/", "profilerkit/web/templates/", "profilerkit_airflow/templates/")


def problems(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel, in words."""
    names = set(zipfile.ZipFile(wheel).namelist())
    metadata = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    sources = {
        path.as_posix()
        for package in PACKAGES
        for path in Path(package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = [f"{name} is missing" for name in sorted(sources - names)]
    found += [f"{package}/py.typed is missing" for package in PACKAGES if f"{package}/py.typed" not in names]
    for name in sorted(names):
        ours = name.startswith(PAGES) or (name.split("/")[0] in PACKAGES and name.endswith(SUFFIXES))
        if not ours and not name.startswith(metadata):
            found.append(f"{name} does not belong there")
    for name in ("entry_points.txt", "licenses/LICENSE", "METADATA"):
        if metadata + name not in names:
            found.append(f"{metadata}{name} is missing")
    return found


def main() -> int:
    """Check the wheels that are named and return 1 if one is wrong."""
    wrong = 0
    for wheel in map(Path, sys.argv[1:]):
        found = problems(wheel)
        wrong += bool(found)
        print(f"{wheel.name}: {'; '.join(found) or 'as it should be'}")
    return 1 if wrong or len(sys.argv) == 1 else 0


if __name__ == "__main__":
    sys.exit(main())
