"""What git says about a commit: read-only."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gonogo.model.errors import PermanentError, Refused


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit: its full hash and first line. changed are uncommitted files in the project."""

    sha: str
    subject: str
    changed: tuple[str, ...]


def find_commit(project: Path, ref: str) -> Commit:
    """The commit a ref names. Refused, with what to do, when there is none."""
    if ref.startswith("-"):
        raise Refused(f"not a git ref: {ref!r}")
    sha = _git(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if sha is None:
        if ref == "HEAD":
            raise Refused(
                f"nothing is committed in {project}, and a release is a commit",
                next_step="git init && git add . && git commit",
            )
        raise Refused(f"there is no git commit {ref!r}", next_step="git log --oneline")
    subject = _git(project, "log", "-1", "--format=%s", sha) or ""
    status = _git(project, "status", "--porcelain", "--", ".") or ""
    changed = tuple(line.split(maxsplit=1)[1] for line in status.splitlines())
    return Commit(sha=sha, subject=subject[:72], changed=changed)


def _git(project: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise PermanentError("git is not installed", next_step="install git") from error
    return done.stdout.strip() if done.returncode == 0 else None
