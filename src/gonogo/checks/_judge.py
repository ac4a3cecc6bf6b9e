"""What the checks with conditions share: judging all of them, and cutting an excerpt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gonogo.model.condition import Unresolvable, evaluate, explain, parse, resolve
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.redaction import Redactor

EXCERPT = 2000
_LOOKED_AT = 20 * EXCERPT

NOTHING_TO_JUDGE = "no condition is set, so there is nothing to judge by"


def undecided(found: str, **more: Any) -> Finding:
    """A finding that proves nothing."""
    return Finding(verdict=Verdict.UNDECIDED, found=found, **more)


def error(found: str, **more: Any) -> Finding:
    """A finding that says the check itself did not work."""
    return Finding(verdict=Verdict.ERROR, found=found, **more)


def check_conditions(texts: Sequence[str]) -> None:
    """Raise ValueError for the first text that is not a condition."""
    for text in texts:
        parse(text)


def judge(
    texts: Sequence[str], facts: Mapping[str, Any], put: Callable[[str], str]
) -> tuple[Verdict, list[str]]:
    """The verdict over all conditions and a sentence for each that does not hold.

    put fills references in. One that does not hold outweighs one that cannot be decided.
    """
    broken, unresolvable = [], []
    for text in texts:
        condition = resolve(parse(text), put)
        try:
            if not evaluate(condition, facts):
                broken.append(explain(condition, facts))
        except Unresolvable as problem:
            unresolvable.append(str(problem))
    if broken:
        return Verdict.FAIL, broken + unresolvable
    if unresolvable:
        return Verdict.ERROR, unresolvable
    return (Verdict.PASS if texts else Verdict.UNDECIDED), []


def excerpt(text: str, redactor: Redactor) -> str:
    """The beginning of a text, redacted before it is cut, so that no secret is halved."""
    clean = redactor.text(text[:_LOOKED_AT])
    return clean if len(clean) <= EXCERPT else clean[: EXCERPT - 1] + "…"


def tail(text: str, redactor: Redactor) -> str:
    """The end of a text, without secrets."""
    clean = redactor.text(text[-_LOOKED_AT:])
    return clean if len(clean) <= EXCERPT else "…" + clean[1 - EXCERPT :]
