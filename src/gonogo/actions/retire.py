"""Let a release's instances of a service finish what they have, then stop and remove them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, passed
from gonogo.model.flag import variant
from gonogo.model.plan import Operation
from gonogo.model.target import Instance
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """service: which. release: new, previous, others or every.

    others are those that are not new, or were started with other flags than are set now.
    """

    service: str
    release: str = "others"


class Retire:
    """Waits the drain time, then SIGTERM with the service's stop_grace."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        name = {"others": "previous", "every": "new"}.get(settings.release, settings.release)
        release = scene.which(name)
        if release is None or scene.service(settings.service, release) is None:
            return [Operation(where=settings.service, what="nothing: that release has none")]
        return scene.engine.describe("retire", settings.service, release)

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if not await _instances(settings, scene):
            return passed("none is there")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        instances = await _instances(settings, scene)
        serving = set((await scene.proxy.observe()).get(settings.service, []))
        busy = [one.name for one in instances if one.address in serving]
        if busy:
            raise PermanentError(f"{', '.join(busy)} still gets traffic; it is not stopped")
        service = scene.service(settings.service, None)
        if service and service.port:
            await scene.clock.sleep(seconds(service.drain))
        await asyncio.gather(*(scene.engine.retire(instance) for instance in instances))
        return passed(f"stopped {', '.join(one.name for one in instances)}")


async def _instances(settings: Settings, scene: Scene) -> list[Instance]:
    there = [one for one in await scene.engine.observe() if one.service == settings.service]
    if settings.release == "every":
        return there
    if settings.release == "others":
        flags = variant(settings.service, await scene.flags.all()).id
        new = scene.release
        return [one for one in there if new and (one.release, one.variant) != (new.id, flags)]
    release = scene.which(settings.release)
    return [one for one in there if release and one.release == release.id]


ACTION: Action[Settings] = Retire()
