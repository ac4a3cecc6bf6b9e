"""Start anew what runs with other flags than are set now: beside, healthy, switched, drained.

Each service is done as a release is, by the actions `launch`, `switch` and `retire`. One that does
not read a flag that was turned is left alone, and so is one that does not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.actions.launch import ACTION as LAUNCH
from gonogo.actions.retire import ACTION as RETIRE
from gonogo.actions.switch import ACTION as SWITCH
from gonogo.actions.switch import Settings as SwitchSettings
from gonogo.model.evidence import Finding, passed
from gonogo.model.flag import variant
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Nothing to set: what is to be done is seen from what runs."""


_AS_A_RELEASE: tuple[Action[Any], ...] = (LAUNCH, SWITCH, RETIRE)


class Recreate:
    """Leaves every service running, with the same release."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        what = "start the services that read it beside what runs, switch, drain, stop the former"
        return [Operation(where="engine", what=what)]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        return None if await _outdated(scene) else passed("nothing runs with other flags")

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        services = await _outdated(scene)
        for name in services:
            served = await _served(name, scene)
            for action in (RETIRE,) if served else _AS_A_RELEASE:
                wanted = action.settings(service=name)
                if not await action.observe(wanted, scene):
                    done = await action.act(wanted, scene)
                    scene.say(done.found)
        return passed(f"{', '.join(services)} started anew; nothing else was touched")


async def _served(name: str, scene: Scene) -> bool:
    """Whether users are with the right instances already, healthy or not: after an undo."""
    service = scene.service(name, scene.release)
    with_port = service is not None and service.port is not None
    return with_port and await SWITCH.observe(SwitchSettings(service=name), scene) is not None


async def _outdated(scene: Scene) -> list[str]:
    """The services of which an instance runs that was started with other flags."""
    flags = await scene.flags.all()
    there = [
        one.service
        for one in await scene.engine.observe()
        if scene.release and one.release == scene.release.id
        if one.variant != variant(one.service, flags).id
    ]
    return sorted(set(there))


ACTION: Action[Settings] = Recreate()
