"""What docker says of a release's images."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from gonogo.engines.images import Images
from gonogo.model.configuration import Build, Service
from gonogo.ports import Completed


def images(stdout: str, asked: list[tuple[str, ...]]) -> Images:
    async def docker(*words: str) -> Completed:
        asked.append(words)
        return Completed(code=1, output=f"{stdout}No such image", stdout=stdout, seconds=0)

    return Images(
        cast(Any, SimpleNamespace(name="portal", docker=docker)),
        build=Build(),
        services_of=lambda release: {"backend": Service(), "worker": Service()},
        facts={},
        extra=(),
        links=(),
        once="",
    )


def test_the_size_is_that_of_the_images_that_are_there() -> None:
    asked: list[tuple[str, ...]] = []
    assert asyncio.run(images("1000\n200\n", asked).size("r1")) == 1200
    assert asked[0][-2:] == ("portal-backend:r1", "portal-worker:r1")
    assert asyncio.run(images("", asked).size("r1")) == 0
