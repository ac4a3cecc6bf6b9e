"""Start a release's instances of a service beside whatever runs, and wait until they are healthy.

They get the flags that are set; one that was started with others is not taken for them.

No instance gets a request before its health has passed: traffic is moved by `switch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gonogo.actions._health import healthy, wait_healthy
from gonogo.model.evidence import Finding, passed
from gonogo.model.flag import variant
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene

T = TypeVar("T")


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
        flags = variant(settings.service, await scene.flags.all())
        there = [
            one
            for one in await scene.engine.observe()
            if (one.service, one.release, one.variant) == (settings.service, release.id, flags.id)
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
        flags = variant(settings.service, await scene.flags.all())

        async def start(number: int) -> tuple[float, str]:
            instance = await scene.engine.launch(settings.service, release, number, flags)
            return await wait_healthy(instance, service, scene), instance.address

        started: list[tuple[float, str]] = []
        for batch in batched(range(1, service.instances + 1), service.batch):
            started += await _all(map(start, batch))
        return passed(
            f"{settings.service} of {release.id} healthy in {max(started)[0]:.1f} s",
            where=", ".join(address for _, address in started if address),
        )


async def _all(starts: Iterable[Awaitable[T]]) -> list[T]:
    """Their answers; the first failure only after all have ended, so that none goes on unseen."""
    ended = await asyncio.gather(*starts, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if not isinstance(one, BaseException)]


def batched(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """The numbers in groups of a size; the last may be smaller."""
    for first in range(0, len(numbers), size):
        yield numbers[first : first + size]


ACTION: Action[Settings] = Launch()
