"""Copy the database before it is touched, and check the copy by reading it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.actions._copies import copy_name, seen
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """name: what the copy is called; by default `before-` and the release."""

    name: str = ""


class CopyDatabase:
    """A consistent copy while the application goes on."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        if scene.database is None:
            return []
        return scene.database.describe("copy", copy_name(settings.name, scene))

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if scene.database is None:
            return Finding(verdict=Verdict.SKIP, found="no database is configured")
        if copy_name(settings.name, scene) in [one.name for one in await scene.database.copies()]:
            return passed(f"{copy_name(settings.name, scene)} is there")
        if not await scene.database.fingerprint():
            return Finding(verdict=Verdict.SKIP, found="there is no database to copy yet")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        assert scene.database is not None
        copy = await scene.database.copy(copy_name(settings.name, scene))
        return passed(seen(copy), facts={"copy": copy.name, "sha256": copy.sha256})


ACTION: Action[Settings] = CopyDatabase()
