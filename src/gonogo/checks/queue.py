"""Background jobs get done: few wait, few failed, and none has waited long.

A worker that died does not show on any page, only in its queue. Serves V21. Reads the queues of
BullMQ, RQ and Celery in Redis, whose layouts are in `_queue_layouts.py`, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gonogo.checks._judge import NOTHING_TO_JUDGE, undecided
from gonogo.checks._queue_layouts import LAYOUTS, State
from gonogo.checks._redis import look_into
from gonogo.checks._servers import shown
from gonogo.model.configuration import Duration
from gonogo.model.duration import seconds, spoken
from gonogo.model.evidence import Finding, failed, passed
from gonogo.model.plan import Operation
from gonogo.ports import Check, Scene

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The queues, and the most there may be in each: waiting, failed, and how long one waits.

    A limit that is not set is not looked at. prefix is what BullMQ calls `prefix` and Celery
    `global_keyprefix`.
    """

    url: str = ""
    kind: Literal["bullmq", "rq", "celery"] = "bullmq"
    names: tuple[str, ...] = ()
    prefix: str = ""
    max_depth: int | None = None
    max_failed: int | None = None
    max_age: Duration | None = None
    timeout: Duration = Duration("5s")

    def __post_init__(self) -> None:
        seconds(self.timeout)
        seconds(self.max_age or "0s")
        if self.kind == "celery" and (self.max_failed is not None or self.max_age):
            raise ValueError(
                "Celery keeps neither the failed tasks nor a time in Redis: only max_depth"
            )
        if self.kind == "rq" and self.prefix:
            raise ValueError("RQ has no prefix")

    @property
    def limits(self) -> str:
        """The limits in words; empty when there is none."""
        most = [
            "" if self.max_depth is None else f"{self.max_depth} waiting",
            "" if self.max_failed is None else f"{self.max_failed} failed",
            f"{self.max_age} old" if self.max_age else "",
        ]
        return ", ".join(one for one in most if one)


class Queue:
    """Counts what is in the queues."""

    settings = Settings
    stage = "after"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        what = f"count the jobs of {settings.kind} in {', '.join(settings.names)}"
        return [Operation(where=shown(settings.url), what=what)]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not settings.names:
            return undecided("no queue is named, so there is nothing to judge")
        if not settings.limits:
            return undecided(NOTHING_TO_JUDGE)

        async def look(client: Redis, where: str) -> Finding:
            now, layout = scene.clock.now(), LAYOUTS[settings.kind]
            seen = {
                name: await layout(client, settings.prefix, name, now) for name in settings.names
            }
            return judged(settings, seen, now, where)

        return await look_into(settings.url, scene, seconds(settings.timeout), look)


def judged(settings: Settings, seen: Mapping[str, State | None], now: float, where: str) -> Finding:
    """The verdict over all queues. One without a trace is undecided: its name may be wrong."""
    there = {name: state for name, state in seen.items() if state}
    more = {
        "expected": f"at most {settings.limits}",
        "where": where,
        "facts": {"queues": {name: _facts(state, now) for name, state in there.items()}},
    }
    wrong = [one for name, state in there.items() for one in _wrong(settings, name, state, now)]
    if wrong:
        return failed("; ".join(wrong), **more)
    unknown = [name for name in seen if name not in there]
    if unknown:
        said = f"there is no trace of {', '.join(unknown)}: never used, or not its name"
        return undecided(said, **more)
    return passed("; ".join(f"{name}: {_spoken(one, now)}" for name, one in there.items()), **more)


def _wrong(settings: Settings, name: str, state: State, now: float) -> list[str]:
    """What of a queue is over a limit."""
    age = 0.0 if state.oldest is None else now - state.oldest
    over = [
        settings.max_depth is not None and state.depth > settings.max_depth,
        settings.max_failed is not None and (state.failed or 0) > settings.max_failed,
        settings.max_age is not None and age > seconds(settings.max_age),
    ]
    return [f"{name}: {_spoken(state, now)}"] if any(over) else []


def _spoken(state: State, now: float) -> str:
    """A queue in words."""
    said = [f"{state.depth} waiting"]
    if state.failed is not None:
        said.append(f"{state.failed} failed")
    if state.oldest is not None:
        said.append(f"the oldest for {spoken(max(now - state.oldest, 0))}")
    return ", ".join(said)


def _facts(state: State, now: float) -> dict[str, float | None]:
    age = None if state.oldest is None else round(now - state.oldest, 3)
    return {"depth": state.depth, "failed": state.failed, "age": age}


CHECK: Check[Settings] = Queue()
