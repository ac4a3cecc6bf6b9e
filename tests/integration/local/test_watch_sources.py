"""The sources of a watch with a real proxy and instances behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from local_site import Site, answer, release

from gonogo.sources.probes import PER_READ, ProbesSource
from gonogo.sources.proxy import SOURCE


def _scene(site: Site, number: int) -> Any:
    """The parts of a scene that a source uses."""
    return SimpleNamespace(
        run="run-1",
        release=release(number),
        proxy=site.proxy,
        environment=SimpleNamespace(services=site.services),
    )


def test_sources_count(site: Callable[..., Site]) -> None:
    async def story() -> None:
        one = site(proxied=True)
        probes = ProbesSource()
        scene = _scene(one, 1)
        assert await SOURCE.read(scene) is None
        assert len(SOURCE.describe(scene)) == len(probes.describe(scene)) == 1
        down = await probes.read(scene)
        assert down and (down.requests, down.server_errors) == (PER_READ, PER_READ)
        await one.foundation.up()
        instance = await one.serving(await one.engine.launch("web", release(1), 1))
        await one.proxy.point("web", release(1).id, [instance.address])
        await asyncio.to_thread(answer, f"127.0.0.1:{one.port}", "/bad")
        up = await probes.read(scene)
        assert up and (up.requests, up.server_errors) == (2 * PER_READ, PER_READ)
        seen = await SOURCE.read(scene)
        assert seen and (seen.requests, seen.server_errors) == (PER_READ + 1, 1)
        assert seen.buckets[10.0] == PER_READ + 1
        other = await SOURCE.read(_scene(one, 2))
        assert other and other.requests == 0

    asyncio.run(story())
