"""Makes a git repository with the releases of the portal: ``make_releases.py DIRECTORY``.

The tags are v1, v2, v3 and bad, each one commit on top of the one before. HEAD is on
the branch main, which stays at v1, so that a demonstration can move it forward.
Dates and names are fixed: the same files always give the same commits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELEASES = (
    ("v1", None, "Release 1: the portal"),
    ("v2", "2", "Release 2: invoices show the total to pay"),
    ("v3", "3", "Release 3: orders carry a note"),
    ("bad", "bad", "Release bad: every tenth request fails"),
)
LEFT_OUT = shutil.ignore_patterns(
    "releases",
    "make_releases.py",
    "README.md",
    "ruff.toml",
    "build",
    "__pycache__",
    ".*_cache",
    ".venv",
    "venv",
    "*.pyc",
    "*.db",
    "*.db-wal",
    "*.db-shm",
    ".env",
)
FIRST_DATE = 1_767_225_600  # 2026-01-01 00:00:00 UTC
ONE_DAY = 86_400


def make_releases(
    directory: Path | str, *, replace: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make the repository in a new or empty directory; return the commit of each tag.

    replace says what gonogo.yml is to hold in place of what, such as another port.
    """
    target = Path(directory)
    if target.exists() and any(target.iterdir()):
        raise FileExistsError(f"{target} is not empty")
    target.mkdir(parents=True, exist_ok=True)
    _git(target, "init", "--quiet", "--template=", "--initial-branch=main")
    commits: dict[str, str] = {}
    for number, (tag, overlay, message) in enumerate(RELEASES):
        source = HERE if overlay is None else HERE / "releases" / overlay
        shutil.copytree(
            source, target, ignore=LEFT_OUT, copy_function=shutil.copyfile, dirs_exist_ok=True
        )
        if overlay is None:
            _replace(target / "gonogo.yml", replace or {})
        commits[tag] = _commit(target, tag, message, FIRST_DATE + number * ONE_DAY)
        if overlay is None:
            _git(target, "checkout", "--quiet", "--detach")
    _git(target, "checkout", "--quiet", "main")
    return commits


def _replace(file: Path, texts: Mapping[str, str]) -> None:
    """Put the new texts in place of the old ones, each of which must be there."""
    content = file.read_text()
    for old, new in texts.items():
        if old not in content:
            raise ValueError(f"{file.name} does not hold {old!r}")
        content = content.replace(old, new)
    file.write_text(content)


def _commit(target: Path, tag: str, message: str, date: int) -> str:
    # An empty index makes git read every file again. It would otherwise miss a file
    # that changed within a moment and kept its size, as VERSION does.
    _git(target, "read-tree", "--empty")
    _git(target, "add", "--all")
    _git(target, "commit", "--quiet", "--message", message, date=date)
    _git(target, "tag", tag)
    return _git(target, "rev-parse", "HEAD")


def _git(target: Path, *arguments: str, date: int = FIRST_DATE) -> str:
    """Run git in the repository, apart from any settings of the machine."""
    fixed = ("user.name=Portal", "user.email=portal@example.com", "core.autocrlf=false")
    options = [word for setting in fixed for word in ("-c", setting)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": f"{date} +0000",
        "GIT_COMMITTER_DATE": f"{date} +0000",
    }
    done = subprocess.run(
        ["git", "-C", str(target), *options, *arguments],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def main(arguments: list[str]) -> int:
    """Make the repository and print its tags."""
    if len(arguments) != 1:
        print("usage: make_releases.py DIRECTORY", file=sys.stderr)
        return 2
    try:
        commits = make_releases(arguments[0])
    except FileExistsError as error:
        print(f"make_releases: {error}", file=sys.stderr)
        return 1
    for tag, commit in commits.items():
        print(f"{tag} {commit}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
