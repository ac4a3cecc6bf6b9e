"""A file's mode, age and size, read through the host, on Linux and on macOS."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from gonogo.model.errors import PermanentError
from gonogo.ports import Scene

_MISSING = 3
_SCRIPT = f"""
[ -e "$0" ] || exit {_MISSING}
stat -L -c '%a %Y %s' "$0" 2>/dev/null || stat -L -f '%Lp %m %z' "$0"
"""


@dataclass(frozen=True, kw_only=True)
class Status:
    """mode is the permission bits; changed is in seconds since the epoch."""

    mode: int
    changed: float
    size: int


def in_project(scene: Scene, path: str) -> str:
    """The path itself if it is absolute, else the one in the project."""
    return os.path.join(scene.project, path)


async def status(scene: Scene, path: str) -> Status | None:
    """The status of a file or folder; None when it is not there or cannot be seen."""
    command = ("sh", "-c", _SCRIPT, in_project(scene, path))
    done = await scene.host.run(
        command, cwd=scene.project, environment={}, timeout=30, say=lambda line: None
    )
    if done.code == _MISSING:
        return None
    numbers = re.fullmatch(r"\s*([0-7]+) (\d+) (\d+)\s*", done.output)
    if done.code or not numbers:
        raise PermanentError(f"{path} cannot be looked at: {done.output.strip()[:200]}")
    mode, changed, size = numbers.groups()
    return Status(mode=int(mode, 8), changed=float(changed), size=int(size))
