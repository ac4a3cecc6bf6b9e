"""Make sure that what carries the application (supervisor, proxy) runs."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.errors import GonogoError, PermanentError
from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """state: up or down. everything: down also means databases and the like."""

    state: str = "up"
    everything: bool = False


class FoundationAction:
    """Starts or stops the supervisor and the proxy; services are stopped before."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        verb = "start" if settings.state == "up" else "stop"
        more = " and all that keeps data" if settings.everything else ""
        return [Operation(where="engine", what=f"{verb} what carries the application{more}")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if settings.state == "up" and await scene.foundation.running():
            return passed("already running")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        if settings.state == "up":
            await _up(scene)
            return passed("started")
        await scene.foundation.down(everything=settings.everything)
        return passed("stopped")


async def _up(scene: Scene) -> None:
    """Start; when that fails because of a port, say which and what to do."""
    try:
        await scene.foundation.up()
    except GonogoError as error:
        for name, service in scene.environment.services.items():
            if service.port and _taken(service.port):
                raise PermanentError(
                    f"port {service.port} of {name} is in use by another process",
                    next_step=f"stop that process, or change the port of {name} in gonogo.yml",
                ) from error
        raise


def _taken(port: int) -> bool:
    """Whether somebody listens there; after a failed start it is not our proxy."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


ACTION: Action[Settings] = FoundationAction()
