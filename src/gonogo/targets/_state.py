"""JSON files on a host, and the names in a folder of it."""

from __future__ import annotations

import json
import re
from typing import Any

from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.ports import Host

_LIST = 'if [ -d "$1" ]; then ls -1 -- "$1"; fi'
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def safe_name(name: str) -> str:
    """The name, if it can be a file's name and nothing else."""
    if not _SAFE.fullmatch(name):
        raise PermanentError(f"not a release id: {name!r}")
    return name


async def read_json(host: Host, path: str) -> dict[str, Any] | None:
    """A file's values; None when there is no such file."""
    content = await host.read(path)
    if content is None:
        return None
    try:
        data = json.loads(content)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise PermanentError(
            f"{path} is damaged", next_step=f"look at {path} and put it back from a backup"
        )
    return data


def to_bytes(data: dict[str, Any]) -> bytes:
    """Values as a file a person can read."""
    return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


async def list_names(host: Host, folder: str) -> list[str]:
    """The names in a folder; none when there is no such folder."""
    names: list[str] = []
    done = await host.run(
        ("/bin/sh", "-c", _LIST, "sh", folder),
        cwd="/",
        environment={},
        timeout=60,
        say=names.append,
    )
    if done.code != 0:
        raise TemporaryError(f"cannot list {folder}: {done.output.strip()}")
    return names
