"""Asking an instance whether it may get traffic, and waiting until it says so."""

from __future__ import annotations

from gonogo.model.configuration import Service
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.target import Instance
from gonogo.ports import Scene

_POLL, _LONGEST_POLL = 0.1, 0.5
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
    return not await _complaint(instance, service)


async def _complaint(instance: Instance, service: Service) -> str:
    """What is missing until it is healthy; empty when nothing is."""
    if instance.state != "running":
        return f"it is {instance.state} ({instance.detail})"
    if instance.checked or not (service.health and instance.address):
        return ""
    status, text = await answer(f"http://{instance.address}{service.health}")
    if status == 200:
        return ""
    if status:
        return f"GET http://{instance.address}{service.health} answers {status}"
    return f"GET http://{instance.address}{service.health}: {text}; it must listen on $PORT"


async def wait_healthy(instance: Instance, service: Service, scene: Scene) -> float:
    """Seconds until it was healthy. PermanentError, with its last lines, when it is not in time."""
    begun = scene.clock.now()
    limit = seconds(service.start_timeout)
    poll = _POLL
    while True:
        now = next(
            (one for one in await scene.engine.observe() if one.name == instance.name), instance
        )
        complaint = await _complaint(now, service)
        elapsed = scene.clock.now() - begun
        if not complaint:
            return elapsed
        if now.state == "failed" or elapsed > limit:
            break
        await scene.clock.sleep(poll)
        poll = min(_LONGEST_POLL, poll * 1.5)
    wrote = [line.text for line in (await scene.engine.log(instance, 20)).lines]
    for line in wrote:
        scene.say(line)
    last = f"; it wrote last: {wrote[-1].strip()}" if wrote else ""
    raise PermanentError(
        f"{instance.name} did not get healthy in {elapsed:.0f} s: {complaint}{last}",
        next_step=f"gonogo logs {instance.service} -e {scene.environment.name}",
    )
