"""How a run waits: for a time, or for a person's word. Meanwhile it only reserves the environment.

A wait looks, pauses durably, and looks again when it is woken or a minute has passed. What it waits
for is read inside durable steps, so that a replay comes to the same end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gonogo.core.perform import Bench
from gonogo.model.duration import spoken
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.plan import Plan
from gonogo.model.procedure import Hold
from gonogo.ports import Durable

LONGEST_PAUSE = 60.0
"""Seconds after which a waiting run looks again even if nobody woke it."""

Take = Callable[[Hold], Awaitable[None]]
"""Takes the environment's lock in a mode; Hold.NONE gives it back."""

Look = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The waits of one run."""

    plan: Plan
    bench: Bench
    durable: Durable
    hold: Take

    async def until(self, step: str, due: float, title: str, then: Hold) -> str:
        """Wait until a time (seconds since the epoch). Who aborted instead, or nothing."""

        async def look() -> dict[str, Any]:
            left = due - self.bench.scene.clock.now()
            if left <= 0:
                return {"ready": True}
            await self._reserve(then)
            what = {"for": "time", "until": due, "title": title}
            self.bench.journal.append(self.plan.run, "waiting", what, step=f"start:{step}")
            return {"ready": False, "seconds": left}

        answer = await self._wait(f"start:{step}", look)
        aborted: str = answer.get("aborted", "")
        return aborted

    async def sign_off(
        self, step: str, title: str, *, then: Hold, within: float = 0.0, abortable: bool = True
    ) -> Finding:
        """Wait until somebody answered with `gonogo approve`; then is held afterwards.

        within is how many seconds there are to answer, 0 without a limit. Not abortable: what is
        asked while a run is taken back, which an abort may have led to.
        """

        async def look() -> dict[str, Any]:
            answer = self.bench.journal.find(self.plan.run, "sign-off", step=step)
            if answer:
                return {"ready": True, **answer.body}
            await self._reserve(then)
            what = {"for": "sign-off", "title": title, "abortable": abortable}
            asked = self.bench.journal.append(self.plan.run, "waiting", what, step=step)
            left = asked.at + within - self.bench.scene.clock.now()
            if within and left <= 0:
                return {"ready": True, "late": True}
            return {"ready": False, "seconds": left if within else LONGEST_PAUSE}

        answer = await self._wait(f"sign-off:{step}", look, abortable=abortable)
        finding = _word(answer, within)

        async def record() -> dict[str, Any]:
            if then is not Hold.NONE:
                await self.hold(then)
            body = finding.to_json()
            return self.bench.journal.append(self.plan.run, "result", body, step=step).body

        return Finding.from_json(await self.durable.step(step, record))

    async def _reserve(self, then: Hold) -> None:
        if then is not Hold.NONE:
            await self.hold(Hold.RESERVE)

    async def _wait(self, name: str, look: Look, *, abortable: bool = True) -> dict[str, Any]:
        """Look, and pause until the look says ready or somebody aborts."""
        turn = 0
        while True:
            turn += 1

            async def act() -> dict[str, Any]:
                abort = abortable and self.bench.journal.find(self.plan.run, "abort")
                return {"ready": True, "aborted": abort.body["by"]} if abort else await look()

            answer = await self.durable.step(f"{name}:{turn}", act)
            if answer["ready"]:
                return answer
            await self.durable.pause(min(answer["seconds"], LONGEST_PAUSE))


def _word(answer: dict[str, Any], within: float) -> Finding:
    """What was answered, as a finding."""
    if "aborted" in answer:
        return Finding(
            verdict=Verdict.ERROR,
            found=f"aborted by {answer['aborted']}",
            facts={"aborted": True},
        )
    if answer.get("late"):
        return Finding(verdict=Verdict.FAIL, found=f"nobody answered within {spoken(within)}")
    reason = f": {answer['reason']}" if answer.get("reason") else ""
    said = "approved" if answer["approved"] else "refused"
    return Finding(
        verdict=Verdict.PASS if answer["approved"] else Verdict.FAIL,
        found=f"{said} by {answer['by']}{reason}",
    )
