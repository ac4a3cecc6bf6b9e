"""When a switch of the traffic has something to do."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gonogo.actions.switch import ACTION, Settings
from gonogo.model.configuration import Service
from gonogo.model.evidence import Finding
from gonogo.model.flag import FlagValue
from gonogo.model.release import Release
from gonogo.model.target import Instance
from gonogo.ports import Scene

RELEASE = Release(id="1", commit="a" * 40)
INSTANCE = Instance(service="web", release="1", number=1, state="running", address="h:1")


class Proxy:
    """Has addresses in force or written, and may have been cut in the middle of a change."""

    def __init__(self, now: list[str], *, settled: bool) -> None:
        self.now = now
        self.is_settled = settled

    async def observe(self) -> dict[str, list[str]]:
        return {"web": self.now}

    async def settled(self, service: str) -> bool:
        return self.is_settled

    async def maintenance(self) -> str:
        return ""


def observe(now: list[str], release: str, *, settled: bool = True) -> Finding | None:
    async def instances() -> list[Instance]:
        return [INSTANCE]

    async def no_flags() -> dict[str, FlagValue]:
        return {}

    scene: Any = SimpleNamespace(
        engine=SimpleNamespace(observe=instances),
        proxy=Proxy(now, settled=settled),
        flags=SimpleNamespace(all=no_flags),
        which=lambda name: RELEASE,
        service=lambda name, release: Service(port=80),
    )
    settings = Settings(service="web", release=release)
    return asyncio.run(ACTION.observe(settings, cast(Scene, scene)))


@pytest.mark.parametrize(("now", "release"), [(["h:1"], "new"), ([], "none")])
def test_traffic_that_is_there_already_is_left_alone(now: list[str], release: str) -> None:
    assert observe(now, release) is not None


@pytest.mark.parametrize(("now", "release"), [(["h:1"], "new"), ([], "none")])
def test_a_change_that_was_cut_is_never_taken_for_done(now: list[str], release: str) -> None:
    assert observe(now, release, settled=False) is None


def test_traffic_elsewhere_is_moved() -> None:
    assert observe(["h:2"], "new") is None
    assert observe(["h:1"], "none") is None
