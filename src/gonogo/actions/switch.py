"""Move a service's traffic to a release in one step, and read back what is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.actions._health import answer
from gonogo.model.configuration import Service
from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.model.evidence import Finding, passed
from gonogo.model.flag import variant
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """service: which. release: new, previous, or none (nobody gets the traffic)."""

    service: str
    release: str = "new"


class Switch:
    """The proxy is told explicitly; nothing depends on a health check noticing something."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        if _port(settings, scene) is None:
            return [Operation(where=settings.service, what="nothing: it takes no traffic")]
        return scene.proxy.describe(settings.service, _release(settings, scene))

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if _port(settings, scene) is None:
            return passed("it takes no traffic")
        wanted = await _addresses(settings, scene)
        now = list((await scene.proxy.observe()).get(settings.service, []))
        if sorted(now) != sorted(wanted) or not await scene.proxy.settled(settings.service):
            return None
        release = _release(settings, scene)
        service = scene.service(settings.service, release)
        if release and service and not await _says(settings.service, service, release, scene):
            return None
        return passed(f"traffic is there already: {', '.join(now) or 'nowhere'}")

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        release = _release(settings, scene)
        wanted = await _addresses(settings, scene)
        if release and not wanted:
            raise PermanentError(f"no instance of {settings.service} {release.id} runs")
        await scene.proxy.point(settings.service, release.id if release else "", wanted)
        service = scene.service(settings.service, release)
        there = "nobody"
        if release and service:
            served = await _serving(settings.service, service, release, scene)
            there = f"{release.id} on port {service.port}{served}"
        return passed(f"{settings.service} → {there}", where=", ".join(wanted))


def _release(settings: Settings, scene: Scene) -> Release | None:
    """Who gets the traffic; nobody, when that release has no such service."""
    release = None if settings.release == "none" else scene.which(settings.release)
    return release if scene.service(settings.service, release) else None


def _port(settings: Settings, scene: Scene) -> int | None:
    """The port users reach the service at, in whichever of the two releases has it."""
    service = scene.service(settings.service, None)
    return service.port if service else None


async def _addresses(settings: Settings, scene: Scene) -> list[str]:
    """Of the instances with the flags that are set; none for nobody."""
    release, name = _release(settings, scene), settings.service
    if release is None:
        return []
    wanted = (name, release.id, variant(name, await scene.flags.all()).id, "running")
    return [
        one.address
        for one in await scene.engine.observe()
        if (one.service, one.release, one.variant, one.state) == wanted
    ]


async def _serving(name: str, service: Service, release: Release, scene: Scene) -> str:
    """Ask through the proxy which version answers: what serves counts, not what was set."""
    if not service.version:
        return ""
    if await scene.proxy.maintenance():
        return "; users get the maintenance page"
    for _ in range(20):
        if await _says(name, service, release, scene):
            return ", and it says so itself"
        await scene.clock.sleep(0.25)
    status, body = await answer(f"{await scene.proxy.url(name)}{service.version}")
    line = " ".join(body.split())[:100]
    raise TemporaryError(
        f"{service.version} does not name release {release.id}; it answered {status}: {line}",
        next_step=f"put $release into the answer of {service.version}, or leave `version` out",
    )


async def _says(name: str, service: Service, release: Release, scene: Scene) -> bool:
    """Whether the service names the release, or cannot be asked: no path, or maintenance."""
    if not service.version or await scene.proxy.maintenance():
        return True
    status, body = await answer(f"{await scene.proxy.url(name)}{service.version}")
    return status == 200 and release.id in body


ACTION: Action[Settings] = Switch()
