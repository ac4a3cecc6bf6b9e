"""Write on the target what a flag is set to; whoever reads it is started anew by later steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gonogo.actions.recreate import ACTION as RECREATE
from gonogo.actions.recreate import Settings as Anew
from gonogo.model.configuration import Flag
from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, passed
from gonogo.model.flag import FlagValue
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """name: which. value: what it is set to; without one it is again as it is configured.

    reason is kept. back: take back what this run has set, and what was started with it.
    """

    name: str
    value: str | None = None
    reason: str = ""
    back: bool = False


class FlagAction:
    """Finds out which services read the flag, and refuses one that goes into the build."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        value = "as before" if settings.back else said(settings.value)
        return [Operation(where="target", what=f"flags.json: {settings.name} {value}")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        now = (await scene.flags.all()).get(settings.name)
        if settings.back:
            return None if _mine(now, scene) else await RECREATE.observe(Anew(), scene)
        if (now.value if now else None) == settings.value:
            return passed(f"{settings.name} is {said(settings.value)} already")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        now = (await scene.flags.all()).get(settings.name)
        if settings.back:
            if now and _mine(now, scene):
                await scene.flags.keep(settings.name, now.before)
            done = await RECREATE.observe(Anew(), scene) or await RECREATE.act(Anew(), scene)
            return passed(f"{settings.name} is as before; {done.found}")
        services = await readers(settings.name, scene)
        value = FlagValue(
            value=settings.value,
            services=tuple(services),
            by=scene.by,
            at=scene.clock.now(),
            reason=settings.reason,
            run=scene.run,
            before=replace(now, before=None) if now else None,
        )
        await scene.flags.keep(settings.name, value)
        return passed(f"{settings.name} is {said(settings.value)}; read by {', '.join(services)}")


def _mine(now: FlagValue | None, scene: Scene) -> bool:
    """Whether this run has set it."""
    return now is not None and now.run == scene.run


def said(value: str | None) -> str:
    """A flag's value in words."""
    return "as it is configured" if value is None else f"`{value}`"


async def readers(name: str, scene: Scene) -> Sequence[str]:
    """The services that read a flag. PermanentError where turning it would change nothing."""
    declared = scene.environment.flags.get(name, Flag())
    if scene.release is None:
        return declared.services
    found = await scene.engine.readers(name, scene.release)
    built = ["it is declared with `build: true`"] if declared.build else []
    built += [f"it goes into the build of {service}" for service in found.built]
    if built:
        raise PermanentError(
            f"{name} cannot be turned while a release runs: {', '.join(built)}",
            next_step="change its value where it is configured, commit, and: "
            f"gonogo update {scene.environment.name}",
        )
    services = declared.services or tuple(found.services)
    if not services:
        raise PermanentError(
            f"no service reads {name}",
            next_step=f"name them in gonogo.yml: flags: {{{name}: {{services: [...]}}}}",
        )
    return services


ACTION: Action[Settings] = FlagAction()
