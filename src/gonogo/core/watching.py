"""A watch window: read a source at intervals, and let the pure decision say go or no-go.

Every sample is recorded as it comes, so that an interrupted window goes on where it was. A window
that could not see enough is undecided; it never becomes a pass for lack of data.
"""

from __future__ import annotations

from typing import Any

from gonogo.core import decide
from gonogo.model.duration import seconds
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.gate import Answer
from gonogo.model.plan import Plan, PlanStep
from gonogo.model.target import Counters
from gonogo.ports import Catalogue, Journal, Scene

_VERDICTS = {
    Answer.GO: Verdict.PASS,
    Answer.NO_GO: Verdict.FAIL,
    Answer.UNDECIDED: Verdict.UNDECIDED,
}


async def watch(
    step: PlanStep, plan: Plan, scene: Scene, catalogue: Catalogue, journal: Journal
) -> Finding:
    """Watch for the step's length; a no-go ends the window at once."""
    settings = step.settings
    source = catalogue.source(step.use)
    length, every = seconds(settings["length"]), seconds(settings["every"])
    started = journal.find(plan.run, "started", step=step.id, attempt=1)
    begun = started.at if started else scene.clock.now()
    readings = _recorded(plan.run, step.id, journal)
    while True:
        now = scene.clock.now()
        counters = await source.read(scene)
        if counters is not None:
            readings.append((now, counters))
        complete = now - begun >= length
        facts = _facts(readings)
        decision = decide.window(facts, settings["no_go"], settings["minimum"], complete)
        _record(plan.run, step.id, journal, len(readings), readings[-1:], facts, now - begun)
        if complete or decision.answer is Answer.NO_GO:
            return Finding(
                verdict=_VERDICTS[decision.answer],
                found="; ".join(decision.reasons),
                expected="not " + ", not ".join(settings["no_go"]),
                where=f"source {step.use}",
                facts={"answer": str(decision.answer), **facts},
                samples=[_sample(at - begun, counters) for at, counters in readings],
            )
        await scene.clock.sleep(max(0.0, min(every, begun + length - now)))


def _facts(readings: list[tuple[float, Counters]]) -> dict[str, Any]:
    return decide.measure(readings) if readings else {}


def _sample(at: float, counters: Counters) -> dict[str, Any]:
    return {
        "at": round(at, 1),
        "requests": counters.requests,
        "server_errors": counters.server_errors,
    }


def _record(
    run: str,
    step: str,
    journal: Journal,
    count: int,
    last: list[tuple[float, Counters]],
    facts: dict[str, Any],
    elapsed: float,
) -> None:
    for at, counters in last:
        body = {
            "at": at,
            "elapsed": round(elapsed, 1),
            "requests": counters.requests,
            "server_errors": counters.server_errors,
            "buckets": [[bound, n] for bound, n in counters.buckets.items()],
            "facts": facts,
        }
        journal.append(run, "sample", body, step=step, attempt=count)


def _recorded(run: str, step: str, journal: Journal) -> list[tuple[float, Counters]]:
    return [
        (
            event.body["at"],
            Counters(
                requests=event.body["requests"],
                server_errors=event.body["server_errors"],
                buckets={bound: count for bound, count in event.body["buckets"]},
            ),
        )
        for event in journal.events(run)
        if event.kind == "sample" and event.step == step
    ]
