"""Deciding is pure: from what was found to an answer with its reasons. Nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gonogo.model.condition import Unresolvable, evaluate, explain, parse
from gonogo.model.evidence import Verdict
from gonogo.model.gate import Answer, Decision, Judged, Waiver
from gonogo.model.target import Counters

_STOPS = (Verdict.FAIL, Verdict.ERROR)


def gate(judged: Sequence[Judged], waivers: Sequence[Waiver], now: float) -> Decision:
    """Whether a phase may be left.

    no-go if a critical step failed or could not be judged for an error, unless a waiver that has
    not expired covers it; undecided if a critical step is undecided; else go. A step that was
    skipped is neither: it is named.
    """
    answers = [Answer.GO]
    reasons = []
    for one in judged:
        waiver = _waiver(one, waivers, now)
        if one.verdict in (Verdict.PASS, Verdict.SKIP):
            continue
        if waiver:
            reasons.append(f"{one.step}: {one.verdict}, waived by {waiver.by}: {waiver.reason}")
            continue
        reasons.append(f"{one.step}: {one.verdict}: {one.found}")
        if one.critical and one.verdict in _STOPS:
            answers.append(Answer.NO_GO)
        elif one.critical and one.verdict is Verdict.UNDECIDED:
            answers.append(Answer.UNDECIDED)
    answer = max(answers, key=[Answer.GO, Answer.UNDECIDED, Answer.NO_GO].index)
    return Decision(answer=answer, reasons=(_count(judged), *reasons))


def blocking(judged: Sequence[Judged], waivers: Sequence[Waiver], now: float) -> list[Judged]:
    """The critical failures that no waiver covers, in order."""
    return [
        one
        for one in judged
        if one.critical and one.verdict in _STOPS and not _waiver(one, waivers, now)
    ]


def _waiver(one: Judged, waivers: Sequence[Waiver], now: float) -> Waiver | None:
    if not one.waivable:
        return None
    names = (one.step, one.step.partition(":")[0])
    fitting = (waiver for waiver in waivers if waiver.step in names and waiver.until > now)
    return next(fitting, None)


def _count(judged: Sequence[Judged]) -> str:
    counts = {verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict}
    return " · ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def measure(readings: Sequence[tuple[float, Counters]]) -> dict[str, Any]:
    """What happened over readings (seconds, totals), as operands for a watch's conditions.

    error_rate is the share of requests answered 5xx, p50 and p95 are upper bounds in seconds from
    the source's buckets, rate is requests a second. Without requests only `requests` is there: the
    others cannot be known, and a condition over them is undecided; so is a percentile that lies
    beyond the last bucket. A total that has become smaller started anew (a proxy or a worker was
    restarted): all of it counts, as in Prometheus' increase().
    """
    totals = [counters for _, counters in readings]
    requests = _increase([one.requests for one in totals])
    errors = _increase([one.server_errors for one in totals])
    facts: dict[str, Any] = {"requests": int(requests), "server_errors": int(errors)}
    if requests <= 0:
        return facts
    elapsed = readings[-1][0] - readings[0][0]
    facts["error_rate"] = errors / requests
    facts["rate"] = requests / elapsed if elapsed > 0 else 0.0
    bounds = {bound for one in totals for bound in one.buckets}
    within = {bound: _increase([one.buckets.get(bound, 0.0) for one in totals]) for bound in bounds}
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        holding = [bound for bound, count in within.items() if count >= share * requests]
        if holding:
            facts[name] = min(holding)
    return facts


def _increase(totals: Sequence[float]) -> float:
    """How much a total grew over its readings; a smaller one has started at zero again."""
    return sum(now - before if now >= before else now for before, now in pairwise(totals))


def window(facts: dict[str, Any], no_go: Sequence[str], minimum: int, complete: bool) -> Decision:
    """The answer of a watch so far. Without a condition, or with too little seen, undecided.

    A no-go condition decides as soon as the minimum number of requests is there; go needs the
    complete window.
    """
    if not no_go:
        return Decision(answer=Answer.UNDECIDED, reasons=("no no-go condition is set",))
    if facts.get("requests", 0) < minimum:
        seen = f"{facts.get('requests', 0)} requests seen, at least {minimum} wanted"
        return Decision(answer=Answer.UNDECIDED, reasons=(seen,))
    hits, missing = [], []
    for text in no_go:
        condition = parse(text)
        try:
            if evaluate(condition, facts):
                hits.append(explain(condition, facts))
        except Unresolvable as unknown:
            missing.append(f"{text}: {unknown}")
    if hits:
        return Decision(answer=Answer.NO_GO, reasons=tuple(hits + missing))
    if missing:
        return Decision(answer=Answer.UNDECIDED, reasons=tuple(missing))
    if not complete:
        return Decision(answer=Answer.UNDECIDED, reasons=("the window is not over",))
    calm = tuple(explain(parse(text), facts).replace(", wanted ", ", no-go if ") for text in no_go)
    return Decision(answer=Answer.GO, reasons=calm)
