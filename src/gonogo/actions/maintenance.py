"""Have users get the maintenance page, or the application again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gonogo.model.evidence import Finding, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """state: on or off. reason is kept and shown to the team, not to users."""

    state: str = "on"
    reason: str = ""


class Maintenance:
    """The proxy answers everything with the page; what runs behind it goes on."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        what = "answer with the maintenance page, 503" if settings.state == "on" else "serve users"
        return [Operation(where="proxy", what=what)]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        return None  # Told twice, the proxy does nothing, and only it knows what is in force.

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        if settings.state == "off":
            await scene.proxy.maintain("")
            return passed("users are served")
        since = datetime.fromtimestamp(scene.clock.now(), UTC).isoformat(timespec="seconds")
        why = f": {settings.reason}" if settings.reason else ""
        await scene.proxy.maintain(f"since {since} by {scene.by}{why}")
        return passed("users get the maintenance page")


ACTION: Action[Settings] = Maintenance()
