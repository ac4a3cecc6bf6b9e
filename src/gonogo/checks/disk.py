"""Free space where the release, its build and its copies are written.

A release that runs out of space half way leaves files cut short. Serves P76 and A12. Reads `df`
through the host, so that it is the target's disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.checks._judge import error, undecided
from gonogo.checks._stat import in_project
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, failed, passed
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B|)")
_LINE = re.compile(r"\s(\d+)\s+\d+\s+(-?\d+)\s+\d+%\s")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The least free space at a path, as a size and as a part of the disk. Both must hold.

    An empty path is the project; an empty limit is not looked at.
    """

    path: str = ""
    free: str = "1GB"
    percent: str = "5%"

    def __post_init__(self) -> None:
        size(self.free)
        share(self.percent)


class Disk:
    """Reads the free space."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="host", what=f"df -Pk {in_project(scene, settings.path)}")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        least, least_share = size(settings.free), share(settings.percent)
        if not least and not least_share:
            return undecided("no limit is set, so there is nothing to judge by")
        where = settings.path or scene.project
        try:
            path = in_project(scene, scene.values.text(settings.path))
            total, free = await _read(scene, path)
        except PermanentError as problem:
            return error(problem.message, where=where)
        part = free / total
        found = f"{_spoken(free)} free, {part:.1%} of {_spoken(total)}"
        wanted = [f"at least {limit}" for limit in (settings.free, settings.percent) if limit]
        judged = passed if free >= least and part >= least_share else failed
        return judged(
            found,
            expected=" and ".join(wanted),
            where=where,
            facts={"free": free, "total": total},
        )


def size(text: str) -> float:
    """Bytes in a size such as `1GB` or `512MiB`; nothing is 0. Raises ValueError."""
    match = _SIZE.fullmatch(text or "0")
    if not match:
        raise ValueError(f"not a size: {text!r} (write 500MB, 1GB or 2GiB)")
    return float(match[1]) * _UNITS[match[2]]


def share(text: str) -> float:
    """The part in a percentage such as `5%`; nothing is 0. Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text or "0%")
    if not match or float(match[1]) > 100:
        raise ValueError(f"not a percentage: {text!r} (write 5%)")
    return float(match[1]) / 100


async def _read(scene: Scene, path: str) -> tuple[int, int]:
    done = await scene.host.run(
        ("df", "-Pk", path), cwd=scene.project, environment={}, timeout=30, say=lambda line: None
    )
    match = _LINE.search(done.output.partition("\n")[2])
    if done.code or not match or match[1] == "0":
        raise PermanentError(f"df does not tell: {done.output.strip()[:200]}")
    return int(match[1]) * 1024, max(int(match[2]), 0) * 1024


def _spoken(count: float) -> str:
    for unit in ("TB", "GB", "MB"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.1f} {unit}"
    return f"{count / 1000:.0f} KB"


CHECK: Check[Settings] = Disk()
