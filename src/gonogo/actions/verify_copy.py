"""Read a copy of the database back whole, before anything is stopped to put it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.actions._copies import copy_name, seen
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """name: the copy; by default `before-` and the release."""

    name: str = ""


class VerifyCopy:
    """A copy that is not what it was when it was made fails here."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        name = copy_name(settings.name, scene)
        what = f"read copy {name} back whole: sha256, rows per table, schema"
        return [Operation(where="database", what=what)] if scene.database else []

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if scene.database is None:
            return Finding(verdict=Verdict.SKIP, found="no database is configured")
        return None  # It changes nothing, so to act is to look.

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        assert scene.database is not None
        return passed(seen(await scene.database.verify(copy_name(settings.name, scene))))


ACTION: Action[Settings] = VerifyCopy()
