"""Put a copy in the place of the database. Everything written since the copy is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.actions._copies import copy_name
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """name: the copy; by default the one this run made before migrating.

    always: restore even if the database is as it was when it was copied.
    """

    name: str = ""
    always: bool = False


class RestoreDatabase:
    """Loses data, so nothing runs it without a person's word."""

    settings = Settings
    loses_data = True

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        if scene.database is None:
            return []
        return scene.database.describe("restore", copy_name(settings.name, scene))

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if scene.database is None:
            return Finding(verdict=Verdict.SKIP, found="no database is configured")
        if settings.always:
            return None
        copies = {one.name: one for one in await scene.database.copies()}
        copy = copies.get(copy_name(settings.name, scene))
        if copy is None:
            return Finding(verdict=Verdict.SKIP, found="there is no copy to put back")
        if copy.fingerprint != await scene.database.fingerprint():
            return None
        # The same schema does not mean the same rows: a migration may have changed only data.
        now = await scene.database.copy(f"failed-{scene.run}")
        same = now.sha256 == copy.sha256
        return passed("the database is as it was: nothing to restore") if same else None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        assert scene.database is not None
        await scene.database.restore(copy_name(settings.name, scene))
        return passed(f"the database is {copy_name(settings.name, scene)} again")


ACTION: Action[Settings] = RestoreDatabase()
