"""Run a command of the team as a step of a procedure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.configuration import Command, written
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.model.reference import filled_command
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """command: an argv list, or {shell: line}. done: a command that exits 0 once that is done.

    Without `done` the command must be safe to repeat: after an interruption it runs again.
    """

    command: Command
    done: Command | None = None
    timeout: str = "10m"


class CommandAction:
    """Runs in the project folder with the environment's variables; the exit code decides."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="this machine", what=written(settings.command))]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if settings.done is None:
            return None
        code, _ = await _run(settings.done, settings, scene)
        return passed("done already") if code == 0 else None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        code, output = await _run(settings.command, settings, scene)
        if code != 0:
            raise PermanentError(f"exit code {code}: {written(settings.command)}")
        return passed("exit code 0", excerpt=output[-2000:])


async def _run(command: Command, settings: Settings, scene: Scene) -> tuple[int, str]:
    given = scene.values.application()
    done = await scene.host.run(
        filled_command(command, {**scene.values.facts(), **given}, "command"),
        cwd=scene.project,
        environment=given,
        timeout=seconds(settings.timeout),
        say=scene.say,
    )
    return done.code, done.output


ACTION: Action[Settings] = CommandAction()
