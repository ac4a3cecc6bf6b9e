"""A command of the team, judged by its exit code or by conditions over what it says.

Whatever gonogo does not know, a command can look at: tests, linters, a query. Serves P4 to P7 and
V40. It runs in the release once that is prepared, else in the project; the finding says where.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gonogo.checks._judge import check_conditions, error, judge, tail, undecided
from gonogo.checks._references import References
from gonogo.model.condition import parse
from gonogo.model.configuration import Command as Line
from gonogo.model.configuration import Duration, Shell
from gonogo.model.duration import seconds, spoken
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, Verdict
from gonogo.model.plan import Operation
from gonogo.model.reference import filled_command
from gonogo.ports import Check, Completed, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The command, and conditions over code, output, seconds and json (the output, parsed).

    The exit code must be 0, unless a condition speaks about code.
    """

    run: Line = ()
    timeout: Duration = Duration("10m")
    expect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seconds(self.timeout)
        check_conditions(self.expect)

    @property
    def conditions(self) -> tuple[str, ...]:
        """All that must hold."""
        speaks_of_code = any(parse(text).operand.path[0] == "code" for text in self.expect)
        return self.expect if speaks_of_code else ("code == 0", *self.expect)

    @property
    def written(self) -> str:
        """The command as a person types it."""
        return self.run.shell if isinstance(self.run, Shell) else shlex.join(self.run)


class Command:
    """Runs the command and judges how it ended."""

    settings = Settings
    stage = "before"

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        where = scene.project
        if scene.release:
            where = f"release {scene.release.id} (the project while it is not prepared)"
        return [Operation(where=where, what=settings.written)]

    async def probe(self, settings: Settings, scene: Scene) -> Finding:
        if not settings.written.strip():
            return undecided("no command is set, so there is nothing to judge by")
        references = References(scene.values)
        try:
            where, done = await _run(settings, scene)
            verdict, complaints = judge(settings.conditions, _facts(done), references.literal)
        except PermanentError as problem:
            return error(problem.message, where=settings.written)
        references.hide_variables(scene.environment.variables)
        redactor = references.redactor()
        well = verdict is Verdict.PASS
        summary = f"ended with {done.code} in {spoken(done.seconds)}"
        return Finding(
            verdict=verdict,
            found=summary if well else f"{summary}: {redactor.text('; '.join(complaints))}",
            expected=", ".join(settings.conditions),
            where=f"{where}: {settings.written}",
            excerpt="" if well else tail(done.output, redactor),
            seconds=done.seconds,
            facts={"code": done.code},
        )


async def _run(settings: Settings, scene: Scene) -> tuple[str, Completed]:
    timeout = seconds(settings.timeout)
    if scene.release and scene.release.id in await scene.workshop.prepared():
        done = await scene.workshop.run(scene.release, settings.run, timeout=timeout, say=scene.say)
        return f"release {scene.release.id}", done
    given = scene.values.application()
    done = await scene.host.run(
        filled_command(settings.run, {**scene.values.facts(), **given}, "command"),
        cwd=scene.project,
        environment=given,
        timeout=timeout,
        say=scene.say,
    )
    return "project", done


def _facts(done: Completed) -> dict[str, Any]:
    facts: dict[str, Any] = {"code": done.code, "output": done.output, "seconds": done.seconds}
    with suppress(ValueError):
        facts["json"] = json.loads(done.output)
    return facts


CHECK: Check[Settings] = Command()
