"""Make sure that what carries the application (supervisor, proxy) runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """state: up or down."""

    state: str = "up"


class FoundationAction:
    """Starts or stops the supervisor and the proxy; services are stopped before."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        verb = "start" if settings.state == "up" else "stop"
        return [Operation(where="this machine", what=f"{verb} process control and proxy")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if settings.state == "up" and await scene.foundation.running():
            return passed("already running")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        if settings.state == "up":
            await scene.foundation.up()
            return passed("started")
        await scene.foundation.down()
        return passed("stopped")


ACTION: Action[Settings] = FoundationAction()
