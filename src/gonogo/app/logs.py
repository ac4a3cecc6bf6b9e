"""What the services wrote, and which of it a person wants to see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.log import Level, Log, levels, written_at
from gonogo.model.target import Instance
from gonogo.ports import Scene
from gonogo.wiring import Site

LINES = 50
MOST = 10_000
"""Lines that are looked at of each instance, at most, when only some of them are wanted."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The last lines of each instance that fit.

    since is in seconds since the epoch; level is the least bad. lines is None for all of them.
    """

    service: str | None = None
    lines: int | None = LINES
    pattern: re.Pattern[str] | None = None
    level: Level | None = None
    since: float = 0.0

    @property
    def read(self) -> int:
        """How many lines have to be read to find them."""
        some = self.pattern or self.level or self.since or self.lines is None
        return MOST if some else self.lines or 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line with its time and level; one that goes on with the line before has that one's."""

    text: str
    at: float | None
    level: Level | None


async def read(site: Site, wanted: Wanted) -> dict[str, Log]:
    """What each instance wrote; also the last that is gone of a service, if that may be wanted.

    It is where the service does not run, or where what came since a time is asked for.
    """
    scene = site.scene()
    there = list(await scene.engine.observe())
    running = {one.service for one in there}
    gone = await scene.engine.retired()
    there = [*(one for one in gone if wanted.since or one.service not in running), *there]
    there = [one for one in there if wanted.service in (None, one.service)]
    await hide_secrets(site, scene, there)
    return {one.name: await scene.engine.log(one, wanted.read) for one in there}


async def hide_secrets(site: Site, scene: Scene, instances: Sequence[Instance]) -> None:
    """Hide what the files of these instances' releases had: their logs may show it."""
    releases = {one.release for one in instances}
    for manifest in await scene.target.manifests():
        if manifest.release.id in releases:
            site.hide(manifest)


def entries(log: Log) -> list[Entry]:
    """The lines with their times and levels, as far as the engine or the lines tell them."""
    texts = [line.text for line in log.lines]
    known = [line.at or written_at(line.text) for line in log.lines]
    now = next((at for at in known if at is not None), None)
    found = []
    for text, at, level in zip(texts, known, levels(texts), strict=True):
        now = at if at is not None else now
        found.append(Entry(text=text, at=now, level=level))
    return found


def fitting(found: Sequence[Entry], wanted: Wanted) -> list[Entry]:
    """Those a person wants. What has no time is not left out for its time."""
    fit = [one for one in found if _fits(one, wanted)]
    return fit if wanted.lines is None else fit[max(0, len(fit) - wanted.lines) :]


def _fits(one: Entry, wanted: Wanted) -> bool:
    if wanted.since and one.at is not None and one.at < wanted.since:
        return False
    if wanted.level and not (one.level and one.level.within(wanted.level)):
        return False
    return not wanted.pattern or bool(wanted.pattern.search(one.text))
