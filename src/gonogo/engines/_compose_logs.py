"""The logs of containers: docker's while a container is there, afterwards what was kept of it.

Docker removes a log with its container, so the last lines are kept before, as <name>.log, with the
time that docker noted for each. <name>.secrets has the secrets a container was launched with, until
it is removed: they are taken out of what is shown and kept.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gonogo.engines import _files
from gonogo.engines._compose import Compose
from gonogo.engines._hidden import hidden
from gonogo.model.log import Line, Log

_KEPT = 1000


class ContainerLogs:
    """The logs of a project's instances; container is the name that docker has for one."""

    def __init__(self, compose: Compose, folder: Path) -> None:
        self._compose = compose
        self._folder = folder

    def remember(self, name: str, secrets: Sequence[str]) -> None:
        """Note the secrets that a container is about to be launched with."""
        _files.private_folder(self._folder)
        _files.write(self._secrets(name), json.dumps(list(secrets)).encode())

    def forget(self, name: str) -> None:
        """Forget them; what is kept of its log is without them."""
        _files.remove(self._secrets(name))

    async def read(self, name: str, container: str, lines: int) -> Log:
        """The last lines that a container wrote, also after it was removed."""
        log = await logs(self._compose, container, lines)
        if log is None:
            path = self._folder / f"{name}.log"
            text = await asyncio.to_thread(_files.last_lines, path, lines)
            kept = text.splitlines()
            return Log(lines=_lines(kept), cut=len(kept) >= min(lines, _KEPT))
        try:
            secrets = json.loads(self._secrets(name).read_bytes())
        except FileNotFoundError:
            secrets = []
        return hidden(log, secrets)

    async def keep(self, name: str, container: str) -> None:
        """Keep the last lines of a container that is about to be removed."""
        log = await self.read(name, container, _KEPT)
        text = "".join(f"{_stamp(one.at)} {one.text}\n" for one in log.lines)
        _files.private_folder(self._folder)
        _files.write(self._folder / f"{name}.log", text.encode())

    def kept(self) -> list[str]:
        """Names of the instances that left a log, the newest last."""
        paths = sorted(self._folder.glob("*--*.log"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in paths]

    def _secrets(self, name: str) -> Path:
        return self._folder / f"{name}.secrets"


async def logs(compose: Compose, container: str, lines: int) -> Log | None:
    """What docker has of a container's log; None when there is no such container."""
    said: list[str] = []
    words = ("logs", "--timestamps", "--tail", str(lines), container)
    done = await compose.docker(*words, say=said.append)
    if done.code != 0:
        return None
    # Standard output and error come by two ways, so only docker's times give the order.
    found = sorted(_lines(said), key=lambda line: line.at or 0.0)
    return Log(lines=found, cut=len(found) >= lines)


def _lines(stamped: Iterable[str]) -> list[Line]:
    return [_line(one) for one in stamped]


def _line(stamped: str) -> Line:
    """A line as docker gives it: its time, a space, what was written."""
    stamp, _, text = stamped.partition(" ")
    try:
        return Line(text=text, at=datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return Line(text=stamped)


def _stamp(at: float | None) -> str:
    return datetime.fromtimestamp(at or 0.0, UTC).isoformat(timespec="microseconds")
