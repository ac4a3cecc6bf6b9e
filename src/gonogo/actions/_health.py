"""Asking an instance whether it may get traffic, and waiting until it says so."""

from __future__ import annotations

from gonogo.model.configuration import Service
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.target import Instance
from gonogo.ports import Scene

_POLL = 0.1
_TIMEOUT = 5.0


async def answer(url: str) -> tuple[int, str]:
    """Status and body (at most 2,000 characters) of a GET; status 0 and the reason without one."""
    import httpx

    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client:
            response = await client.get(url)
    except httpx.HTTPError as error:
        return 0, f"{type(error).__name__}: {error}"
    return response.status_code, response.text[:2000]


async def healthy(instance: Instance, service: Service) -> bool:
    """Whether it runs and, if the service has a health path, answers 200 there."""
    if instance.state != "running":
        return False
    if not (service.health and instance.address):
        return True
    status, _ = await answer(f"http://{instance.address}{service.health}")
    return status == 200


async def wait_healthy(instance: Instance, service: Service, scene: Scene) -> float:
    """Seconds until it was healthy. PermanentError, with its last lines, when it is not in time."""
    begun = scene.clock.now()
    limit = seconds(service.start_timeout)
    found = "not started"
    while True:
        now = next(
            (one for one in await scene.engine.observe() if one.name == instance.name), instance
        )
        if await healthy(now, service):
            return scene.clock.now() - begun
        elapsed = scene.clock.now() - begun
        if now.state == "failed" or elapsed > limit:
            found = f"state {now.state} after {elapsed:.1f} s (allowed {limit:.0f} s) {now.detail}"
            break
        await scene.clock.sleep(_POLL)
    lines = await scene.engine.log(instance, 20)
    for line in lines.splitlines():
        scene.say(line)
    raise PermanentError(
        f"{instance.name} did not get healthy: {found.strip()}",
        next_step=f"gonogo logs {instance.service} -e {scene.environment.name}",
    )
