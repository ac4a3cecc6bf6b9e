"""Whether a release can be rolled at all: what would make it fail is said before it begins.

Serves C1, C4 and the preflight of every release. The engine knows what it cannot do (no health
check, fixed ports, a database among the released services); this check shows it, each with its line
and its mend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.checks._judge import undecided
from gonogo.model.evidence import Finding, failed, passed
from gonogo.model.plan import Operation
from gonogo.model.target import Objection
from gonogo.ports import Check, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Nothing to set."""


class Rollout:
    """Asks the foundation for its objections."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="engine", what="look for what would make a rollout fail")]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not scene.environment.services:
            return undecided("the environment has no services, so there is nothing to roll")
        found = await scene.foundation.objections()
        if not found:
            return passed("nothing stands in the way")
        listed = [_said(one) for one in found]
        return failed(
            f"{len(found)} in the way: {listed[0]}",
            expected="nothing that makes a rollout fail",
            excerpt="\n".join(listed)[:4000],
        )


def _said(one: Objection) -> str:
    where = f"{one.where}: " if one.where else ""
    return f"{where}{one.text}; mend: {one.mend}"


CHECK: Check[Settings] = Rollout()
