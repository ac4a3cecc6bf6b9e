"""A run's hold on the target, beside the signs of life that renew it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gonogo.app import drive
from gonogo.app.drive import Tenancy
from gonogo.model.configuration import Configuration, Environment
from gonogo.model.plan import Plan
from gonogo.model.procedure import Hold
from gonogo.model.target import Holder
from gonogo.ports import Scene
from gonogo.wiring import Site

PLAN = Plan(
    run="update-1",
    app="shop",
    environment="development",
    procedure="update",
    title="Update",
    by="aiko",
    machine="desk",
    project="/project",
    release=None,
    previous=None,
    configuration={},
    phases=(),
    t_zero=0.0,
)


class SlowLock:
    """A lock on which one write can be made to stand still."""

    overtaken = None

    def __init__(self) -> None:
        self.written: list[Hold] = []
        self.standing = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def take(self, holder: Holder, *, preempt: bool = False) -> Holder:
        if not self.go_on.is_set() and not self.standing.is_set():
            self.standing.set()
            await self.go_on.wait()
        self.written.append(holder.mode)
        return holder

    async def release(self, run: str) -> None:
        self.written.append(Hold.NONE)


class NothingLive:
    """A target on which nothing was released yet."""

    async def live(self) -> None:
        return None


def tenancy(folder: Path, lock: SlowLock) -> Tenancy:
    environment = Environment(name="development")
    configuration = Configuration(app="shop", environments={"development": environment})
    site = Site(project=folder, configuration=configuration, environment=environment)
    scene = cast(Any, SimpleNamespace(lock=lock, target=NothingLive()))
    return Tenancy(PLAN, cast(Scene, scene), site.journal)


@pytest.mark.parametrize("then", [Hold.RESERVE, Hold.NONE])
def test_a_slow_sign_of_life_does_not_bring_back_an_older_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: Hold
) -> None:
    async def story() -> None:
        lock = SlowLock()
        mine = tenancy(tmp_path, lock)
        await mine.hold(Hold.HOLD)
        lock.go_on.clear()
        monkeypatch.setattr(drive, "BEAT", 0.0)
        beating = asyncio.create_task(mine.beat())
        await lock.standing.wait()
        changing = asyncio.create_task(mine.hold(then))
        await asyncio.sleep(0.05)
        lock.go_on.set()
        await changing
        await asyncio.sleep(0.05)
        beating.cancel()
        assert Hold.HOLD not in lock.written[lock.written.index(then) :]

    asyncio.run(story())
