"""Errors in the logs before and after the live release got the traffic, by service and message.

Before and after are told apart by whose log it is, not by the clock: old and new run side by side
for a while. What is not kept is said, never counted as none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gonogo.app.logs import MOST, entries, hide_secrets
from gonogo.model.errors import Refused
from gonogo.model.log import errors, message
from gonogo.model.target import Instance
from gonogo.ports import Scene
from gonogo.wiring import Site

_GONE = "gone"
"""The state of an instance that may have been there."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """The logs of a service in one release. begin and end are the times of its lines, if known.

    cut: earlier lines are not kept, or were too many.
    """

    release: str
    lines: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    begin: float | None = None
    end: float | None = None
    cut: bool = False

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return self.messages.total()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "release": self.release,
            "lines": self.lines,
            "errors": self.errors,
            "begin": self.begin,
            "end": self.end,
            "cut": self.cut,
            "messages": dict(self.messages.most_common()),
        }


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A service in the live release and in the one before; None where no log of it is kept."""

    service: str
    before: Side | None
    after: Side | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        before, after = (one and one.to_json() for one in (self.before, self.after))
        return {"service": self.service, "before": before, "after": after}


async def compare(site: Site, service: str | None) -> tuple[str, list[Compared]]:
    """The live release, and each service of it compared with the one before."""
    scene = site.scene()
    live = await scene.target.live()
    if live is None:
        raise Refused(
            "nothing was deployed yet", next_step=f"gonogo deploy {site.environment.name}"
        )
    there = [*await scene.engine.observe(), *await _gone(scene, site)]
    await hide_secrets(site, scene, there)
    found = []
    for name in [service] if service else site.environment.services:
        own = [one for one in there if one.service == name]
        after = [one for one in own if one.release == live.release.id]
        before = [one for one in own if one.release != live.release.id]
        found.append(
            Compared(
                service=name,
                before=await _side(site, scene, before),
                after=await _side(site, scene, after),
            )
        )
    return live.release.id, found


async def _gone(scene: Scene, site: Site) -> list[Instance]:
    """Instances that are gone: of each service, those of the release that went last."""
    found = []
    for one in await scene.engine.retired():
        service = site.environment.services.get(one.service)
        many = max(one.number, service.instances if service else 1)
        others = [number for number in range(1, many + 1) if number != one.number]
        found += [one, *(replace(one, number=number, state=_GONE) for number in others)]
    return found


async def _side(site: Site, scene: Scene, instances: Sequence[Instance]) -> Side | None:
    """What these wrote, without secrets: they would tell messages apart that are the same."""
    logs = [await scene.engine.log(one, MOST) for one in instances]
    silent = [one for one in instances if one.state != _GONE]
    if not silent and not any(log.lines for log in logs):
        return None
    times = [one.at for log in logs for one in entries(log) if one.at is not None]
    messages: Counter[str] = Counter()
    for log in logs:
        texts = [site.redactor.text(line.text) for line in log.lines]
        messages.update(message(one) for one in errors(texts))
    return Side(
        release=", ".join(sorted({one.release for one in instances})),
        lines=sum(len(log.lines) for log in logs),
        messages=messages,
        begin=min(times, default=None),
        end=max(times, default=None),
        cut=any(log.cut for log in logs),
    )
