"""The one durable interpreter: it walks a plan, whatever the procedure.

Each plan step is exactly one durable step. What a run decides from (verdicts, sign-offs, waivers,
the clock) is read inside durable steps only, so that a replay takes the same way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from gonogo.core import decide
from gonogo.core.perform import Bench, nothing_to_do, perform
from gonogo.core.waiting import Take, Waiting
from gonogo.model.errors import GonogoError, Refused
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.gate import Answer, Judged, Waiver
from gonogo.model.plan import Plan, PlanPhase, PlanStep
from gonogo.model.procedure import Hold, Kind
from gonogo.ports import Durable


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why a run does not go on. The first one stays the headline."""

    kind: str
    step: str
    found: str
    next_step: str = ""


@dataclass(kw_only=True)
class Run:
    """One run of a plan. hold takes the environment's lock in a mode (Hold.NONE gives it back).

    touched are the steps that may have done something, left the undo steps that were not done.
    remedied: the plan's remedy was done instead of undoing.
    """

    plan: Plan
    bench: Bench
    durable: Durable
    hold: Take
    touched: list[PlanStep] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    remedied: bool = False

    async def interpret(self) -> dict[str, Any]:
        """Walk the plan to its end and return the outcome. Never raises for what a step found."""
        trouble = None
        for phase in self.plan.phases:
            trouble = await self._phase(phase)
            if trouble:
                break
        outcome = await self._take_back(trouble) if trouble else "ok"

        async def end() -> dict[str, Any]:
            return await self._end(outcome, trouble)

        return await self.durable.step("end", end)

    # -- phases ---------------------------------------------------------------------------------

    async def _phase(self, phase: PlanPhase) -> Trouble | None:
        trouble = await self._wait_for_start(phase) or await self._hold(phase)
        if trouble:
            return trouble
        judged: list[Judged] = []
        for batch in batches(phase):
            if any(step.kind is not Kind.CHECK for step in batch):
                trouble = self._stop(judged) or await self._unsure(batch[0], phase, judged)
                if trouble:
                    return trouble
            for step, finding in zip(batch, await self._batch(batch, phase), strict=True):
                judged.append(judgement(step, finding))
                if finding.facts.get("aborted"):
                    return Trouble(kind="aborted", step=step.id, found=finding.found)
        return await self._gate(phase, judged)

    def _stop(self, judged: list[Judged]) -> Trouble | None:
        """Nothing that changes something follows a failure (waivers count as at T-0)."""
        bad = decide.blocking(judged, self._waivers(), self.plan.t_zero)
        return headline(bad) if bad else None

    async def _unsure(
        self, step: PlanStep, phase: PlanPhase, judged: list[Judged]
    ) -> Trouble | None:
        """Before something is changed, a person decides what a check could not."""
        unsure = [one for one in judged if one.critical and one.verdict is Verdict.UNDECIDED]
        if not unsure:
            return None
        title = "; ".join(f"{one.step}: {one.found}" for one in unsure)
        finding = await self.waiting.sign_off(f"before:{step.id}", title, then=phase.hold)
        if finding.verdict is not Verdict.PASS:
            return self._not_signed(finding, phase)
        for one in unsure:
            judged.remove(one)
        return None

    @staticmethod
    def _not_signed(finding: Finding, phase: PlanPhase) -> Trouble:
        kind = "aborted" if finding.facts.get("aborted") else "no-go"
        return Trouble(kind=kind, step=phase.id, found=finding.found)

    async def _batch(self, batch: list[PlanStep], phase: PlanPhase) -> list[Finding]:
        limit = asyncio.Semaphore(phase.parallel)
        return await asyncio.gather(*(self._step(step, phase, limit) for step in batch))

    async def _step(self, step: PlanStep, phase: PlanPhase, limit: asyncio.Semaphore) -> Finding:
        if step.kind is Kind.SIGN_OFF:
            return await self.waiting.sign_off(
                step.id, step.title or step.use, then=phase.hold, within=step.timeout
            )
        if step.kind is Kind.DO and not step.skip:
            self.touched.append(step)

        async def act() -> dict[str, Any]:
            async with limit:
                return await perform(step, self.plan, self.bench, abortable=True)

        return Finding.from_json(await self.durable.step(step.id, act))

    async def _hold(self, phase: PlanPhase) -> Trouble | None:
        async def act() -> dict[str, Any]:
            self.bench.journal.append(
                self.plan.run,
                "phase",
                {"title": phase.title, "hold": str(phase.hold)},
                step=phase.id,
            )
            try:
                await self.hold(phase.hold)
            except Refused as error:
                return {"refused": error.message, "next": error.next_step}
            return {}

        answer = await self.durable.step(f"hold:{phase.id}", act)
        if "refused" not in answer:
            return None
        return Trouble(
            kind="refused", step=phase.id, found=answer["refused"], next_step=answer["next"]
        )

    async def _gate(self, phase: PlanPhase, judged: list[Judged]) -> Trouble | None:
        async def act() -> dict[str, Any]:
            now = self.bench.scene.clock.now()
            decision = decide.gate(judged, self._waivers(), now)
            body = {**decision.to_json(), "phase": phase.id, "now": now}
            return self.bench.journal.append(self.plan.run, "gate", body, step=phase.id).body

        decision = await self.durable.step(f"gate:{phase.id}", act)
        answer = decision["answer"]
        if answer == Answer.GO or phase.gate == "report":
            return None
        if answer == Answer.UNDECIDED:
            title = "; ".join(decision["reasons"][1:])
            finding = await self.waiting.sign_off(f"gate:{phase.id}", title, then=phase.hold)
            if finding.verdict is Verdict.PASS:
                return None
            return self._not_signed(finding, phase)
        return headline(decide.blocking(judged, self._waivers(), decision["now"]))

    def _waivers(self) -> list[Waiver]:
        return [Waiver(**waiver) for waiver in self.plan.configuration.get("waivers", ())]

    # -- waiting --------------------------------------------------------------------------------

    @property
    def waiting(self) -> Waiting:
        """How this run waits."""
        return Waiting(plan=self.plan, bench=self.bench, durable=self.durable, hold=self.hold)

    async def _wait_for_start(self, phase: PlanPhase) -> Trouble | None:
        if phase.at is None:
            return await self._aborted(f"abort?:{phase.id}")
        due = self.plan.t_zero + phase.at
        by = await self.waiting.until(phase.id, due, phase.title, phase.hold)
        return _abort_trouble({"aborted": by} if by else {}, phase.id)

    async def _aborted(self, name: str) -> Trouble | None:
        async def act() -> dict[str, Any]:
            abort = self.bench.journal.find(self.plan.run, "abort")
            return {"aborted": abort.body["by"]} if abort else {}

        return _abort_trouble(await self.durable.step(name, act), name.partition(":")[2])

    # -- taking back ----------------------------------------------------------------------------

    async def _take_back(self, trouble: Trouble) -> str:
        """Undo in reverse order what was done, and return the outcome."""

        async def record() -> dict[str, Any]:
            body = {"kind": trouble.kind, "step": trouble.step, "found": trouble.found}
            return self.bench.journal.append(self.plan.run, "trouble", body).body

        await self.durable.step("trouble", record)
        undos = [step.undo for step in reversed(self.touched) if step.undo]
        if not undos:
            return trouble.kind
        if trouble.kind == "no-go" and await self._remedied():
            self.remedied = True
            return trouble.kind
        undone = await self._undo_all(undos) if await self._may_undo(trouble) else {}
        self.left = [undo.id for undo in undos if undone.get(undo.id) is None]
        if self.left:
            return "partial"
        return trouble.kind if set(undone.values()) == {Verdict.SKIP} else "rolled-back"

    async def _remedied(self) -> bool:
        """Whether the plan's remedy was done. If not, or if it was so already, undo instead."""
        steps = self.plan.remedy
        if not (steps and await self._hold_to_undo() and await self._needed(steps[0])):
            return False
        for step in steps:

            async def act(step: PlanStep = step) -> dict[str, Any]:
                return await perform(step, self.plan, self.bench, abortable=False)

            finding = Finding.from_json(await self.durable.step(step.id, act))
            if finding.verdict is not Verdict.PASS:
                return False
        return True

    async def _may_undo(self, trouble: Trouble) -> bool:
        """Whether nobody who is asked says no, and the environment is still this run's."""
        if trouble.kind == "no-go" and self.plan.on_no_go == "ask":
            answer = await self.waiting.sign_off(
                "roll-back", f"roll back? {trouble.found}", then=Hold.RESERVE
            )
            if answer.verdict is not Verdict.PASS and not answer.facts.get("aborted"):
                return False
        return await self._hold_to_undo()

    async def _undo_all(self, undos: list[PlanStep]) -> dict[str, Verdict | None]:
        """The verdict of each undo step that was tried."""
        undone: dict[str, Verdict | None] = {}
        for undo in undos:
            undone[undo.id] = await self._undo(undo)
            if undo.loses_data and undone[undo.id] is None:
                break  # What ran before must not run on data that were not put back.
        return undone

    async def _hold_to_undo(self) -> bool:
        """Whether the environment is still this run's; what another run changed is left alone."""

        async def act() -> dict[str, Any]:
            try:
                await self.hold(Hold.HOLD)
            except Refused as error:
                body = {"verdict": str(Verdict.ERROR), "found": error.message}
                self.bench.journal.append(self.plan.run, "result", body, step="hold:undo")
                return {"held": False}
            return {"held": True}

        held: bool = (await self.durable.step("hold:undo", act))["held"]
        return held

    async def _undo(self, undo: PlanStep) -> Verdict | None:
        """Undo one step; one that loses data asks first. None: it is not undone."""
        if undo.loses_data and await self._needed(undo):
            last = [operation.what for operation in undo.operations[-1:]]
            title = ": ".join([f"{undo.title or undo.id} loses data", *last])
            answer = await self.waiting.sign_off(
                f"allow:{undo.id}", title, then=Hold.HOLD, abortable=False
            )
            if answer.verdict is not Verdict.PASS:
                return None

        async def act() -> dict[str, Any]:
            return await perform(undo, self.plan, self.bench, abortable=False)

        finding = Finding.from_json(await self.durable.step(undo.id, act))
        undone = finding.verdict in (Verdict.PASS, Verdict.WARN, Verdict.SKIP)
        return finding.verdict if undone else None

    async def _needed(self, undo: PlanStep) -> bool:
        """Whether there is something to undo; nobody is asked about nothing."""

        async def act() -> dict[str, Any]:
            try:
                return {"needed": not await nothing_to_do(undo, self.bench)}
            except GonogoError:
                return {"needed": True}  # Whoever looks again while undoing says why.

        needed: bool = (await self.durable.step(f"look:{undo.id}", act))["needed"]
        return needed

    async def _end(self, outcome: str, trouble: Trouble | None) -> dict[str, Any]:
        await self.hold(Hold.NONE)
        body: dict[str, Any] = {"outcome": outcome}
        if trouble:
            body |= {
                "headline": trouble.found,
                "step": trouble.step,
                "next": trouble.next_step,
                "trouble": trouble.kind,
            }
        if self.remedied:
            body |= {"next": self._stays()}
        if self.left:
            body |= {"left": self.left, "next": self._mend()}
        return self.bench.journal.append(self.plan.run, "ended", body).body

    def _stays(self) -> str:
        """What to type after a remedy: the release was neither undone nor verified."""
        return (
            f"the release stays, {self.plan.on_no_go.partition(' ')[2]} is off; look again: "
            f"gonogo check {self.plan.environment}, or gonogo rollback {self.plan.environment}"
        )

    def _mend(self) -> str:
        """What to type when something was not undone: what is right depends on what is there."""
        environment, procedure = self.plan.environment, "update" if self.plan.previous else "deploy"
        return (
            f"gonogo show {self.plan.run} says why, gonogo status {environment} what is there; "
            f"undo the rest by hand, or release anew: gonogo {procedure} {environment}"
        )


def batches(phase: PlanPhase) -> list[list[PlanStep]]:
    """The phase's steps in groups that may run at the same time, in a fixed order.

    With parallel 1 each step is a group. Otherwise a group holds every step whose needs are met by
    the groups before it; the order never depends on which step happened to be faster.
    """
    if phase.parallel == 1:
        return [[step] for step in phase.steps]
    left, met, groups = list(phase.steps), set[str](), list[list[PlanStep]]()
    while left:
        ready = [step for step in left if set(step.needs) <= met]
        if not ready:
            raise Refused(f"phase {phase.id}: needs form a circle: {[step.id for step in left]}")
        # A sign-off takes many durable steps; beside others their order would be left to chance.
        others = [step for step in ready if step.kind is not Kind.SIGN_OFF]
        ready = others or ready[:1]
        groups.append(ready)
        met |= {step.id for step in ready}
        left = [step for step in left if step.id not in met]
    return groups


def judgement(step: PlanStep, finding: Finding) -> Judged:
    """A finding as the gate sees it."""
    no_go = step.kind in (Kind.CHECK, Kind.WATCH, Kind.SIGN_OFF)
    refused = finding.facts.get("refused")
    return Judged(
        step=step.id,
        verdict=finding.verdict,
        critical=step.critical,
        found=finding.found,
        waivable=step.kind in (Kind.CHECK, Kind.WATCH),
        trouble="refused" if refused else "no-go" if no_go else "failed",
        next_step=finding.facts.get("next", ""),
    )


def headline(bad: list[Judged]) -> Trouble:
    """The first failure that stops a run."""
    first = bad[0]
    return Trouble(
        kind=first.trouble, step=first.step, found=first.found, next_step=first.next_step
    )


def _abort_trouble(answer: dict[str, Any], phase: str) -> Trouble | None:
    if "aborted" not in answer:
        return None
    return Trouble(kind="aborted", step=phase, found=f"aborted by {answer['aborted']}")
