"""What git says about a commit: read-only."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gonogo.model.errors import PermanentError, Refused


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit: its full hash and first line. changed counts uncommitted files in the project."""

    sha: str
    subject: str
    changed: int


def find_commit(project: Path, ref: str) -> Commit:
    """The commit a ref names. Refused, with what to do, when there is none."""
    if ref.startswith("-"):
        raise Refused(f"not a git ref: {ref!r}")
    sha = _git(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if sha is None:
        next_step = "git init && git add . && git commit" if ref == "HEAD" else "git log --oneline"
        raise Refused(f"there is no git commit {ref!r} in {project}", next_step=next_step)
    subject = _git(project, "log", "-1", "--format=%s", sha) or ""
    changed = _git(project, "status", "--porcelain", "--", ".") or ""
    return Commit(sha=sha, subject=subject[:72], changed=len(changed.splitlines()))


def _git(project: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise PermanentError("git is not installed", next_step="install git") from error
    return done.stdout.strip() if done.returncode == 0 else None
