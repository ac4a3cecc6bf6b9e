"""Free space where the release, its build and its copies are written.

A release that runs out of space half way leaves files cut short. Serves P76, A12 and C8. Reads `df`
through the host, so that it is the target's disk; for containers also docker's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.checks._judge import error, undecided
from gonogo.checks._stat import in_project
from gonogo.core.retention import look, needless
from gonogo.model.errors import GonogoError, PermanentError
from gonogo.model.evidence import Finding, failed, passed
from gonogo.model.plan import Operation
from gonogo.model.size import megabytes
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
_LINE = re.compile(r"^(.*?)\s+(\d+)\s+\d+\s+(-?\d+)\s+\d+%\s+(.*)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The least free space at a path, as a size and as a part of the disk. Both must hold.

    An empty path is the project and wherever releases are made, which for images is docker's own
    folder; an empty limit is not looked at.
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
        also = "" if settings.path else ", and where releases are made"
        what = f"df -Pk {in_project(scene, settings.path)}{also}"
        return [Operation(where="host", what=what)]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        least, least_share = size(settings.free), share(settings.percent)
        if not least and not least_share:
            return undecided("no limit is set, so there is nothing to judge by")
        try:
            disks = await _disks(settings, scene)
        except GonogoError as problem:
            return error(problem.message, where=settings.path or scene.project)
        short = [one for one in disks if one.free < least or one.free < least_share * one.total]
        wanted = [f"at least {limit}" for limit in (settings.free, settings.percent) if limit]
        worst = min(short or disks, key=lambda one: one.free)
        facts: dict[str, Any] = {"free": worst.free, "total": worst.total}
        if short and not settings.path:
            facts["next"] = await _way_out(scene)
        told = short or disks
        return (failed if short else passed)(
            "; ".join(one.told(alone=len(disks) == 1) for one in told),
            expected=" and ".join(wanted),
            where=worst.path,
            facts=facts,
        )


@dataclass(frozen=True, kw_only=True)
class _Disk:
    """A disk, by the first path on it that was looked at."""

    path: str
    device: str
    total: int
    free: int

    def told(self, *, alone: bool) -> str:
        """In words; with its path unless it is the only one."""
        place = "" if alone else f"{self.path}: "
        part = f"{self.free / self.total:.1%} of {_spoken(self.total)}"
        return f"{place}{_spoken(self.free)} free, {part}"


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


async def _disks(settings: Settings, scene: Scene) -> list[_Disk]:
    """Each disk once. PermanentError for a path that is not there."""
    paths = [in_project(scene, scene.values.text(settings.path))]
    if not settings.path:
        paths += await scene.workshop.places()
    found: dict[str, _Disk] = {}
    for path in paths:
        disk = await _read(scene, path)
        found.setdefault(disk.device, disk)
    return list(found.values())


async def _read(scene: Scene, path: str) -> _Disk:
    done = await scene.host.run(
        ("df", "-Pk", path), cwd=scene.project, environment={}, timeout=30, say=lambda line: None
    )
    match = _LINE.search(done.output.partition("\n")[2])
    if done.code or not match or match[2] == "0":
        raise PermanentError(f"df does not tell: {done.output.strip()[:200]}")
    return _Disk(
        path=path.rstrip("/") or "/",
        device=match[1] if match[1].startswith("/") else match[4],
        total=int(match[2]) * 1024,
        free=max(int(match[3]), 0) * 1024,
    )


async def _way_out(scene: Scene) -> str:
    """What to type, with what that would free; layers that images share are counted in each."""
    command = f"gonogo cleanup {scene.environment.name}"
    try:
        going = needless(await look(scene), scene.environment.keep_releases)
        sizes = [await scene.workshop.size(one) for one in going.releases]
    except GonogoError:
        return f"{command} shows what can go"
    whole = sum(sizes) + sum(one.size for one in going.copies)
    if not whole:
        return "make space: gonogo cleanup would free nothing"
    return f"{command} would free at most {megabytes(whole)}"


def _spoken(count: float) -> str:
    for unit in ("TB", "GB", "MB"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.1f} {unit}"
    return f"{count / 1000:.0f} KB"


CHECK: Check[Settings] = Disk()
