"""Performing one step: intent recorded, observe, act, result recorded.

The journal decides: a step with a recorded result returns it without acting. A step that was only
started is begun again, and its action observes before it acts. Only temporary errors are tried
again. An abort that a person asked for stops the step under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from gonogo.core.watching import watch
from gonogo.model.errors import Aborted, GonogoError, Refused, TemporaryError
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.plan import Plan, PlanStep
from gonogo.model.procedure import Kind
from gonogo.ports import Catalogue, Journal, Scene

log = logging.getLogger("gonogo")

ABORT_POLL = 0.3
"""Seconds between two looks for a request to abort while a step is under way."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the interpreter works with. fence raises Refused when the run was overtaken."""

    scene: Scene
    catalogue: Catalogue
    journal: Journal
    fence: Callable[[], Awaitable[None]]
    backoff: float = 1.0


async def perform(step: PlanStep, plan: Plan, bench: Bench, *, abortable: bool) -> dict[str, Any]:
    """A step's finding as plain JSON, recorded before it is returned."""
    recorded = bench.journal.find(plan.run, "result", step=step.id)
    if recorded:
        return recorded.body
    finding = await _attempts(step, plan, bench, abortable)
    return bench.journal.append(plan.run, "result", finding.to_json(), step=step.id).body


async def _attempts(step: PlanStep, plan: Plan, bench: Bench, abortable: bool) -> Finding:
    if step.skip:
        return Finding(verdict=Verdict.SKIP, found=step.skip)
    attempt = 1
    while bench.journal.find(plan.run, "attempt-failed", step=step.id, attempt=attempt):
        attempt += 1
    while True:
        bench.journal.append(
            plan.run, "started", {"title": step.title}, step=step.id, attempt=attempt
        )
        begun = bench.scene.clock.now()
        try:
            finding = await _until_abort(_once(step, plan, bench), step, plan, bench, abortable)
        except TemporaryError as error:
            if attempt > step.retries:
                finding = _error(error)
            else:
                bench.journal.append(
                    plan.run,
                    "attempt-failed",
                    {"found": error.message},
                    step=step.id,
                    attempt=attempt,
                )
                await bench.scene.clock.sleep(bench.backoff * 2 ** (attempt - 1))
                attempt += 1
                continue
        except GonogoError as error:
            finding = _error(error)
        except Exception as error:
            log.exception("step %s", step.id)
            finding = Finding(
                verdict=Verdict.ERROR,
                found=f"an error in gonogo itself: {type(error).__name__}: {error}",
                facts={"next": "the log has the details"},
            )
        return replace(finding, seconds=bench.scene.clock.now() - begun)


async def _until_abort(
    work: Awaitable[Finding], step: PlanStep, plan: Plan, bench: Bench, abortable: bool
) -> Finding:
    """The work's finding; Aborted if a person asks for it, TemporaryError when time is up."""
    task = asyncio.ensure_future(work)
    deadline = bench.scene.clock.now() + step.timeout
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=ABORT_POLL)
            if done:
                return task.result()
            if abortable and (request := bench.journal.find(plan.run, "abort")):
                raise Aborted(f"aborted by {request.body['by']}")
            if bench.scene.clock.now() > deadline:
                raise TemporaryError(f"not finished after {step.timeout:.0f} s")
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _once(step: PlanStep, plan: Plan, bench: Bench) -> Finding:
    scene = replace(bench.scene, say=lambda line: bench.scene.say(f"{step.id} | {line}"))
    if step.kind is Kind.WATCH:
        return await watch(step, plan, scene, bench.catalogue, bench.journal)
    if step.kind is Kind.NOTIFY:
        return await _notify(step, plan, scene, bench.catalogue)
    if step.kind is Kind.CHECK:
        check = bench.catalogue.check(step.use)
        return await check.probe(
            bench.catalogue.parse(check.settings, step.settings, step.id), scene
        )
    await bench.fence()
    action = bench.catalogue.action(step.use)
    settings = bench.catalogue.parse(action.settings, step.settings, step.id)
    already = await action.observe(settings, scene)
    return already or await action.act(settings, scene)


async def _notify(step: PlanStep, plan: Plan, scene: Scene, catalogue: Catalogue) -> Finding:
    """Tell a channel of the configuration. Nobody being told is a warning, never a stop."""
    channel = scene.configuration.channels.get(step.use, step.use)
    text = step.title or plan.title
    title = f"{plan.app} → {plan.environment}: {plan.title}"
    try:
        await catalogue.notifier("apprise").send(scene.values.text(channel), title, text)
    except GonogoError as error:
        return Finding(verdict=Verdict.WARN, found=f"{step.use} was not told: {error.message}")
    return Finding(verdict=Verdict.PASS, found=f"told {step.use}")


async def nothing_to_do(step: PlanStep, bench: Bench) -> bool:
    """Whether an action's observation says that its work is done already."""
    action = bench.catalogue.action(step.use)
    settings = bench.catalogue.parse(action.settings, step.settings, step.id)
    return await action.observe(settings, bench.scene) is not None


def _error(error: GonogoError) -> Finding:
    facts: dict[str, Any] = {"next": error.next_step} if error.next_step else {}
    if isinstance(error, Refused):
        return Finding(verdict=Verdict.FAIL, found=error.message, facts={**facts, "refused": True})
    if isinstance(error, Aborted):
        facts["aborted"] = True
    return Finding(verdict=Verdict.ERROR, found=error.message, facts=facts)
