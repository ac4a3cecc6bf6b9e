"""Builds a release: compiles its Python and lists its files in build/manifest.json.

Run it in the folder of the release. It exits with 1 when a file does not compile.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGES = ("portal", "standins")
SKIPPED_FOLDERS = {".git", "__pycache__", "build", "releases", ".venv", "venv"}
SKIPPED_ENDINGS = (".db", ".db-wal", ".db-shm", ".pyc")


def compile_packages(root: Path) -> bool:
    """Compile every package and tell whether all of them are sound."""
    found = [root / package for package in PACKAGES if (root / package).is_dir()]
    compiled = [compileall.compile_dir(str(package), quiet=1) for package in found]
    return all(compiled)


def release_files(root: Path) -> list[Path]:
    """Return the files that make up the release, in order."""
    files: list[Path] = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - SKIPPED_FOLDERS)
        files += [Path(folder, name) for name in names if not name.endswith(SKIPPED_ENDINGS)]
    return sorted(files)


def write_manifest(root: Path) -> Path:
    """Write the version and the SHA-256 of every file, and return where."""
    hashes = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in release_files(root)
    }
    version = (root / "VERSION").read_text(encoding="utf-8").strip()
    manifest = root / "build" / "manifest.json"
    manifest.parent.mkdir(exist_ok=True)
    content = json.dumps({"version": version, "files": hashes}, indent=2, sort_keys=True)
    manifest.write_text(content + "\n", encoding="utf-8")
    return manifest


def main() -> int:
    """Build the release that this file lies in."""
    if not compile_packages(ROOT):
        print("build: a file does not compile", file=sys.stderr)
        return 1
    manifest = write_manifest(ROOT)
    print(f"wrote {manifest.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
