"""Whether the new release writes more error lines than the one before it.

Serves V2. Every application logs some errors, so a number alone says nothing: the share of error
lines is compared with the share before. It fails only when the difference is larger than chance
(Fisher's exact test) and large enough to matter. Too few lines on either side decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.checks._fisher import more_often
from gonogo.checks._judge import excerpt, undecided
from gonogo.checks._references import References
from gonogo.model.evidence import Finding, Verdict, failed, passed
from gonogo.model.log import ERRORS
from gonogo.model.plan import Operation
from gonogo.model.redaction import Redactor
from gonogo.ports import Check, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an error line is, how many lines are read, and when a difference counts.

    lines is the most that is read of each instance, minimum the least that must be there before and
    after. It fails when chance has less than `chance` and the share grew at least `times`.
    """

    services: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ERRORS
    lines: int = 2000
    minimum: int = 50
    chance: float = 0.01
    times: float = 2.0

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as problem:
                raise ValueError(f"the pattern {pattern!r} is wrong: {problem}") from None
        if not 0 < self.chance < 1 or self.times < 1 or self.minimum < 1:
            raise ValueError("chance is between 0 and 1, times and minimum are at least 1")


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What a release wrote: how many lines, and the error lines."""

    lines: int
    errors: list[str]

    @property
    def share(self) -> float:
        return len(self.errors) / self.lines if self.lines else 0.0

    def __str__(self) -> str:
        return f"{len(self.errors)} of {self.lines} lines ({self.share:.1%})"


class LogErrors:
    """Counts and compares."""

    settings = Settings
    stage = "after"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        names = settings.services or tuple(scene.environment.services)
        return [
            Operation(where="engine", what=f"last {settings.lines} log lines of {name}")
            for name in names
        ]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not settings.patterns:
            return undecided("no pattern says what an error is, so there is nothing to judge by")
        if scene.release is None:
            return undecided("there is no new release to look at")
        if scene.previous is None:
            return Finding(verdict=Verdict.SKIP, found="there was no release before this one")
        before = await _read(settings, scene, scene.previous.release.id)
        after = await _read(settings, scene, scene.release.id)
        references = References(scene.values)
        references.hide_variables(scene.environment.variables)
        return judged(settings, before, after, references.redactor())


async def _read(settings: Settings, scene: Scene, release: str) -> _Seen:
    pattern = re.compile("|".join(f"(?:{one})" for one in settings.patterns))
    lines: list[str] = []
    for instance in await scene.engine.observe():
        wanted = not settings.services or instance.service in settings.services
        if wanted and instance.release == release:
            log = await scene.engine.log(instance, settings.lines)
            lines += [line.text for line in log.lines if line.text.strip()]
    return _Seen(lines=len(lines), errors=[line for line in lines if pattern.search(line)])


def judged(settings: Settings, before: _Seen, after: _Seen, redactor: Redactor) -> Finding:
    """The verdict over what was counted."""
    found = f"{after} are errors, before {before}"
    facts: dict[str, Any] = {
        "before": {"lines": before.lines, "errors": len(before.errors)},
        "after": {"lines": after.lines, "errors": len(after.errors)},
    }
    for name, seen in (("after", after), ("before", before)):
        if seen.lines < settings.minimum:
            return undecided(
                f"only {seen.lines} log lines from {name} the release",
                expected=f"at least {settings.minimum} lines to judge by",
                facts=facts,
            )
    chance = more_often(len(before.errors), before.lines, len(after.errors), after.lines)
    facts["test"] = {"chance": chance, "times": settings.times}
    significant = chance < settings.chance
    if significant and after.share >= settings.times * before.share:
        return failed(
            f"{found}: chance alone would do that in {chance:.2g} of 1",
            expected=f"less than {settings.times:g} times as many, or no more than chance",
            excerpt=excerpt("\n".join(after.errors), redactor),
            facts=facts,
        )
    why = f"less than {settings.times:g} times as many" if significant else "no more than chance"
    return passed(found, expected=why, facts=facts)


CHECK: Check[Settings] = LogErrors()
