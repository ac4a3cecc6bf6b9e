"""Numbers for a watch from an access log: what users got at a proxy of the team's own.

Lines in the combined format of nginx and Apache, with or without the request's seconds at the end,
and JSON lines as nginx, Caddy or an application writes them.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.model.errors import PermanentError
from gonogo.model.plan import Operation
from gonogo.model.target import Counters
from gonogo.ports import Scene, Source

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_COMBINED = re.compile(rb'" ([1-5]\d\d) (?:\d+|-)(?: |$)')
_SECONDS = re.compile(rb' "?(?:\w+=)?(\d+\.\d+)"?$')


@dataclass
class _Tally:
    """How far a log was read, and what was in it since the first look."""

    inode: int
    offset: int
    requests: float = 0.0
    errors: float = 0.0
    timed: float = 0.0
    buckets: dict[float, float] = field(default_factory=lambda: dict.fromkeys(_BOUNDS, 0.0))

    def read(self, path: Path) -> None:
        """Count the whole lines that were added; a log that was rotated is read from its start."""
        with path.open("rb") as log:
            about = os.fstat(log.fileno())
            if about.st_ino != self.inode or about.st_size < self.offset:
                self.inode, self.offset = about.st_ino, 0
            log.seek(self.offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self.offset += len(line)
                self._count(line.rstrip())

    def _count(self, line: bytes) -> None:
        status, seconds = _of_json(line) if line.startswith(b"{") else _of_combined(line)
        if not status:
            return
        self.requests += 1
        self.errors += status >= 500
        if seconds is not None:
            self.timed += 1
            for bound in _BOUNDS:
                self.buckets[bound] += seconds <= bound


class AccessLogSource:
    """Reads what was added to the file `log` of the watch (ports.Source).

    A log does not tell releases apart: everything in it counts. The totals are in memory and by
    run: after a restart of gonogo they begin at zero again.
    """

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, Path], _Tally] = {}

    def describe(self, scene: Scene) -> Sequence[Operation]:
        """The file."""
        return [Operation(where="file", what=f"read what is added to {_path(scene)}")]

    async def read(self, scene: Scene) -> Counters | None:
        """Totals since the first read; None when there is no such file."""
        return await asyncio.to_thread(self._read, scene.run, _path(scene))

    def _read(self, run: str, path: Path) -> Counters | None:
        try:
            if (run, path) not in self._tallies:
                about = path.stat()
                self._tallies[run, path] = _Tally(about.st_ino, about.st_size)
            tally = self._tallies[run, path]
            tally.read(path)
        except FileNotFoundError:
            return None
        except PermissionError:
            raise PermanentError(f"{path} may not be read by this user") from None
        known = tally.timed == tally.requests
        return Counters(
            requests=tally.requests,
            server_errors=tally.errors,
            buckets=dict(tally.buckets) if known else {},
        )


def _path(scene: Scene) -> Path:
    watch = scene.environment.watch
    if watch is None or not watch.log:
        raise PermanentError(
            "the source access_log needs a file",
            next_step="name it in gonogo.yml: watch: {source: access_log, log: /var/log/...}",
        )
    return Path(scene.project) / watch.log


def _of_combined(line: bytes) -> tuple[int, float | None]:
    """Status and seconds of a line; status 0 when it is none of a request."""
    found = _COMBINED.search(line)
    seconds = _SECONDS.search(line)
    return int(found[1]) if found else 0, float(seconds[1]) if seconds else None


def _of_json(line: bytes) -> tuple[int, float | None]:
    """The same of a JSON line: `status`, and `request_time` (nginx) or `duration` (Caddy)."""
    try:
        told: dict[str, Any] = json.loads(line)
        seconds = told.get("request_time", told.get("duration"))
        return int(told.get("status", 0)), None if seconds is None else float(seconds)
    except (ValueError, TypeError):
        return 0, None


SOURCE: Source = AccessLogSource()
