"""Hand-written stand-ins for the core's ports: in memory, with a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from gonogo.core.perform import Bench
from gonogo.core.run import Run
from gonogo.model.configuration import Configuration, Environment, Service
from gonogo.model.errors import NotFound
from gonogo.model.event import GENESIS, Event, digest
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation, Plan, PlanPhase, PlanStep
from gonogo.model.procedure import Hold, Kind
from gonogo.ports import Scene


class Clock:
    """Time that passes only when somebody sleeps or a test moves it."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


class Killed(BaseException):
    """The process dies here."""


class Journal:
    """ports.Journal in a list. die_at kills before (or after) the append of that number."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.all: list[Event] = []
        self.count = 0
        self.die_before = 0
        self.die_after = 0

    def append(
        self, run: str, kind: str, body: Mapping[str, Any], *, step: str = "", attempt: int = 0
    ) -> Event:
        self.count += 1
        if self.count == self.die_before:
            raise Killed
        there = self.find(run, kind, step=step, attempt=attempt)
        if there is None:
            content: dict[str, Any] = {
                "sequence": len(self.all) + 1,
                "run": run,
                "step": step,
                "attempt": attempt,
                "kind": kind,
                "at": self.clock.now(),
                "body": dict(body),
                "previous": self.all[-1].hash if self.all else GENESIS,
            }
            there = Event(**content, hash=digest(**content))
            self.all.append(there)
        if self.count == self.die_after:
            raise Killed
        return there

    def events(self, run: str, *, after: int = 0) -> Sequence[Event]:
        return [one for one in self.all if one.run == run and one.sequence > after]

    def find(self, run: str, kind: str, *, step: str = "", attempt: int = 0) -> Event | None:
        key = (run, step, attempt, kind)
        fitting = (one for one in self.all if (one.run, one.step, one.attempt, one.kind) == key)
        return next(fitting, None)

    def of_kind(self, kind: str) -> Sequence[Event]:
        return [one for one in self.all if one.kind == kind]

    def chain(self) -> Sequence[Event]:
        return list(self.all)

    def kinds(self, kind: str) -> list[str]:
        """The steps with an event of that kind, in order."""
        return [one.step for one in self.all if one.kind == kind]


class Durable:
    """ports.Durable that remembers steps by their position, like the real one, and replays them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.remembered: dict[int, tuple[str, dict[str, Any]]] = {}
        self.position = 0
        self.on_pause: Callable[[], None] = lambda: None

    def restart(self) -> None:
        self.position = 0

    async def step(
        self, name: str, act: Callable[[], Coroutine[Any, Any, dict[str, Any]]]
    ) -> dict[str, Any]:
        self.position += 1
        position = self.position
        if position in self.remembered:
            known, answer = self.remembered[position]
            assert known == name, f"the replay asks for {name} where {known} was"
            return answer
        answer = await act()
        self.remembered[position] = (name, answer)
        return answer

    async def pause(self, seconds: float) -> None:
        self.position += 1
        if self.position in self.remembered:
            return
        self.on_pause()
        await self.clock.sleep(seconds)
        self.remembered[self.position] = ("pause", {})


@dataclass(frozen=True, kw_only=True)
class Settings:
    service: str = ""
    name: str = ""


@dataclass
class World:
    """What fake actions change: the set of done things, and how often each was really done."""

    done: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    die_in: str = ""


class FakeAction:
    """Makes `name` true, or with takes_back makes it false."""

    settings = Settings

    def __init__(
        self,
        world: World,
        *,
        takes_back: bool = False,
        raises: list[Exception] | None = None,
        loses_data: bool = False,
    ) -> None:
        self.world = world
        self.takes_back = takes_back
        self.raises = raises or []
        self.loses_data = loses_data

    def describe(self, settings: Settings, scene: Scene) -> list[Operation]:
        return [Operation(where="world", what=f"{settings.name}{settings.service}")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        there = self._key(settings) in self.world.done
        return passed("already") if there != self.takes_back else None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        if self.raises:
            raise self.raises.pop(0)
        key = self._key(settings)
        (self.world.done.discard if self.takes_back else self.world.done.add)(key)
        mark = f"undo {key}" if self.takes_back else key
        self.world.counts[mark] = self.world.counts.get(mark, 0) + 1
        if self.world.die_in == key:
            self.world.die_in = ""
            raise Killed
        return passed("done")

    @staticmethod
    def _key(settings: Settings) -> str:
        return settings.name or settings.service


class FakeCheck:
    """Finds what it is told."""

    settings = Settings
    stage = "after"

    def __init__(self, finding: Finding) -> None:
        self.finding = finding

    def describe(self, settings: Settings, scene: Scene) -> list[Operation]:
        return []

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        return self.finding


class Catalogue:
    def __init__(self, **plugins: Any) -> None:
        self.plugins = plugins

    def _get(self, name: str) -> Any:
        if name not in self.plugins:
            raise NotFound(f"no {name}")
        return self.plugins[name]

    check = action = source = notifier = _get

    def parse(self, settings_type: type[Any], data: Mapping[str, Any], where: str) -> Any:
        return settings_type(**data)


def scene(clock: Clock, **more: Any) -> Scene:
    """A scene with fakes where the core looks, and nothing where it does not."""
    environment = Environment(name="test", services={"web": Service(), "api": Service()})
    nothing = cast(Any, SimpleNamespace())
    parts: dict[str, Any] = {
        "configuration": Configuration(app="shop", environments={"test": environment}),
        "environment": environment,
        "project": "/project",
        "run": "run-1",
        "by": "aiko",
        "release": None,
        "previous": None,
        "t_zero": clock.now(),
        "clock": clock,
        "database": None,
        "migrator": None,
    }
    names = ("values", "host", "target", "lock", "flags", "workshop", "engine", "proxy")
    return Scene(**{**dict.fromkeys((*names, "foundation"), nothing), **parts, **more})


def action(id: str, use: str = "do", undo: PlanStep | None = None, **more: Any) -> PlanStep:
    return PlanStep(id=id, kind=Kind.DO, use=use, settings={"name": id}, undo=undo, **more)


def undo(id: str, use: str = "undo", **more: Any) -> PlanStep:
    return PlanStep(id=f"undo:{id}", kind=Kind.DO, use=use, settings={"name": id}, **more)


def plan(*phases: PlanPhase, **more: Any) -> Plan:
    whole: dict[str, Any] = {
        "run": "run-1",
        "app": "shop",
        "environment": "test",
        "procedure": "update",
        "title": "Update",
        "by": "aiko",
        "machine": "desk",
        "project": "/project",
        "release": None,
        "previous": None,
        "configuration": {},
        "phases": phases,
        "t_zero": 1000.0,
    }
    return Plan(**{**whole, **more})


def phase(*steps: PlanStep, id: str = "execute", **more: Any) -> PlanPhase:
    return PlanPhase(id=id, title=id, steps=steps, **more)


@dataclass
class Stage:
    """One run with its fakes, that can be killed and started again."""

    plan: Plan
    catalogue: Catalogue
    clock: Clock = field(default_factory=Clock)
    holds: list[Hold] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(self.clock)
        self.durable = Durable(self.clock)

    def run(self) -> dict[str, Any]:
        """Interpret the plan from the start of this process's life."""
        self.durable.restart()

        async def hold(mode: Hold) -> None:
            self.holds.append(mode)

        async def fence() -> None:
            return None

        bench = Bench(
            scene=scene(self.clock), catalogue=self.catalogue, journal=self.journal, fence=fence
        )
        return asyncio.run(
            Run(plan=self.plan, bench=bench, durable=self.durable, hold=hold).interpret()
        )

    def until_over(self) -> dict[str, Any]:
        """Start again after each death, as often as it takes."""
        for _ in range(100):
            try:
                return self.run()
            except Killed:
                self.journal.die_before = self.journal.die_after = 0
        raise AssertionError("it never ends")
