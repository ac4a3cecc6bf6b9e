"""Refuse to go back to a release that was never run on the schema there is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.errors import Refused
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Nothing to set."""


class GuardSchema:
    """Compares the schema's fingerprint now with the one in the release's manifest."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="database", what="compare the schema with the release's manifest")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if scene.database is None or scene.release is None:
            return Finding(verdict=Verdict.SKIP, found="no database is configured")
        manifests = {one.release.id: one for one in await scene.target.manifests()}
        then = manifests.get(scene.release.id)
        if then and then.schema == await scene.database.fingerprint():
            return passed("the schema is the one that release ran on")
        database = scene.environment.database
        if database and database.migrations and database.migrations.online:
            return Finding(
                verdict=Verdict.WARN,
                found="the schema has moved since; its migrations are declared `online`",
            )
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        copy = scene.previous.database_copy if scene.previous else ""
        advice = (
            f"gonogo rollback {scene.environment.name} --database restore --confirm {copy}"
            if copy
            else "there is no copy of the database from before the migration"
        )
        raise Refused(
            "the schema has moved since that release, and it may not work on it", next_step=advice
        )


ACTION: Action[Settings] = GuardSchema()
