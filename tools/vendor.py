"""Fetch the pinned browser libraries that the web app and its tests carry, and write down what they are.

Needs npm, which is asked for the exact versions below; their integrity is checked here.

    python tools/vendor.py
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "profilerkit/web/static/vendor"
TESTS = ROOT / "tests/browser/vendor"
RELEASE = "dist/release/"


@dataclass(frozen=True)
class Package:
    """One package of the npm registry and which of its files are kept, under `folder`."""

    name: str
    version: str
    integrity: str
    licence: str
    folder: Path
    files: tuple[str, ...]
    """Paths in the package; one that ends with `*` keeps all files of a folder that begin so."""

    @property
    def pinned(self) -> str:
        """Return the name and version as npm writes them."""
        return f"{self.name}@{self.version}"


PACKAGES = (
    Package(
        "uplot",
        "1.6.32",
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        "MIT",
        STATIC,
        ("LICENSE", "dist/uPlot.iife.min.js", "dist/uPlot.min.css"),
    ),
    Package(
        "speedscope",
        "1.25.0",
        "sha512-cpf9HWTZf1ijLXBJrk87Ve/54tnYx6rlf0gUThvn3ook6h63hLXVOQiMf44PT+XoV503cPfvfiT5gP5vojp6Ag==",
        "MIT; the font Source Code Pro: SIL OFL 1.1",
        STATIC,
        (
            "LICENSE",
            f"{RELEASE}index.html",
            f"{RELEASE}speedscope-*",
            f"{RELEASE}favicon-*",
            f"{RELEASE}SourceCodePro-*",
            f"{RELEASE}source-code-pro.LICENSE.md",
            f"{RELEASE}release.txt",
        ),
    ),
    Package(
        "axe-core",
        "4.14.1",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        "MPL-2.0",
        TESTS,
        ("LICENSE", "LICENSE-3RD-PARTY.txt", "axe.min.js"),
    ),
)


def main() -> None:
    """Fetch every package, keep its files, and write `vendored.json` beside them."""
    records: dict[Path, list[dict[str, object]]] = {STATIC: [], TESTS: []}
    with tempfile.TemporaryDirectory() as scratch:
        for package in PACKAGES:
            records[package.folder].append(keep(package, fetch(package, Path(scratch))))
            print(f"{package.pinned}: kept in {(package.folder / package.name).relative_to(ROOT)}")
    for folder, rows in records.items():
        (folder / "vendored.json").write_text(json.dumps(rows, indent=2) + "\n")


def fetch(package: Package, scratch: Path) -> Path:
    """Return the package's archive; raises SystemExit when it is not the pinned one."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(scratch), package.pinned]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    archive = scratch / f"{package.name}-{package.version}.tgz"
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if package.integrity != f"sha512-{digest}":
        raise SystemExit(f"{package.pinned} is sha512-{digest}, not the pinned {package.integrity}.")
    return archive


def keep(package: Package, archive: Path) -> dict[str, object]:
    """Write the kept files of an archive and return what `vendored.json` says of them."""
    target = package.folder / package.name
    target.mkdir(parents=True, exist_ok=True)
    hashes = {}
    with tarfile.open(archive) as bundle:
        for member in sorted(bundle.getmembers(), key=lambda each: each.name):
            path = member.name.removeprefix("package/")
            if not wanted(path, package.files):
                continue
            content = bundle.extractfile(member)
            assert content is not None, path
            data = content.read()
            name = Path(path).name
            (target / name).write_bytes(data)
            hashes[name] = hashlib.sha256(data).hexdigest()
    return {
        "name": package.name,
        "version": package.version,
        "licence": package.licence,
        "source": f"npm:{package.pinned}",
        "integrity": package.integrity,
        "sha256": hashes,
    }


def wanted(path: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a path of a package is one of those kept."""
    return any(path.startswith(each[:-1]) if each.endswith("*") else path == each for each in patterns)


if __name__ == "__main__":
    main()
