"""New instances start in batches, and a failure is told when the whole batch has ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gonogo.actions.launch import ACTION, Settings
from gonogo.model.configuration import Service
from gonogo.model.errors import PermanentError
from gonogo.model.release import Release
from gonogo.model.target import Instance
from gonogo.ports import Scene

NEW = Release(id="2026-12-01.2", commit="b" * 40)


@dataclass
class Engine:
    """Notes how many starts run side by side. broken: the number that cannot be started."""

    broken: int = 0
    starting: int = 0
    side_by_side: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    async def launch(self, service: str, release: Release, number: int, *_: Any) -> Instance:
        self.starting += 1
        self.side_by_side.append(self.starting)
        await asyncio.sleep(0.001 * (1 if number == self.broken else 5))
        self.starting -= 1
        self.ended.append(number)
        if number == self.broken:
            raise PermanentError("it cannot be started")
        return Instance(service=service, release=release.id, number=number, state="running")

    async def observe(self) -> list[Instance]:
        return []


async def _no_flags() -> dict[str, Any]:
    return {}


def launch(engine: Engine, service: Service) -> str:
    scene = SimpleNamespace(
        engine=engine,
        clock=SimpleNamespace(now=lambda: 0.0),
        flags=SimpleNamespace(all=_no_flags),
        which=lambda name: NEW,
        service=lambda name, release: service,
    )
    return asyncio.run(ACTION.act(Settings(service="web"), cast("Scene", scene))).found


@pytest.mark.parametrize(
    ("batch", "seen"), [(1, [1, 1, 1, 1, 1]), (2, [1, 2, 1, 2, 1]), (9, [1, 2, 3, 4, 5])]
)
def test_so_many_start_at_a_time(batch: int, seen: list[int]) -> None:
    engine = Engine()
    assert "healthy in" in launch(engine, Service(instances=5, batch=batch))
    assert engine.side_by_side == seen
    assert sorted(engine.ended) == [1, 2, 3, 4, 5]


def test_nothing_goes_on_after_a_failure() -> None:
    engine = Engine(broken=1)
    with pytest.raises(PermanentError, match="it cannot be started"):
        launch(engine, Service(instances=4, batch=2))
    assert (engine.ended, engine.starting) == ([1, 2], 0)
