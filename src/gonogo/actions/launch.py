"""Start a release's instances of a service beside whatever runs, and wait until they are healthy.

No instance gets a request before its health has passed: traffic is moved by `switch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.actions._health import healthy, wait_healthy
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """service: which. release: new or previous."""

    service: str
    release: str = "new"


class Launch:
    """Health-gated start."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        release = scene.which(settings.release)
        if release is None or scene.service(settings.service, release) is None:
            return [Operation(where=settings.service, what="nothing: that release has none")]
        return scene.engine.describe("launch", settings.service, release)

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        release = scene.which(settings.release)
        service = scene.service(settings.service, release)
        if release is None or service is None:
            return passed("that release has none")
        there = [
            instance
            for instance in await scene.engine.observe()
            if (instance.service, instance.release) == (settings.service, release.id)
        ]
        if {one.number for one in there} != set(range(1, service.instances + 1)):
            return None
        for instance in there:
            if not await healthy(instance, service):
                return None
        return passed(f"{settings.service} of {release.id} runs already")

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        release = scene.which(settings.release)
        service = scene.service(settings.service, release)
        assert release is not None and service is not None
        slowest, addresses = 0.0, []
        for number in range(1, service.instances + 1):
            instance = await scene.engine.launch(settings.service, release, number)
            slowest = max(slowest, await wait_healthy(instance, service, scene))
            addresses.append(instance.address)
        return passed(
            f"{settings.service} of {release.id} healthy in {slowest:.1f} s",
            where=", ".join(filter(None, addresses)),
        )


ACTION: Action[Settings] = Launch()
