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
        if _declared_online(scene):
            return Finding(
                verdict=Verdict.WARN,
                found="the schema has moved since; its migrations are declared `online`",
            )
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        assert scene.database is not None and scene.release is not None
        kept = {one.release.id: one.schema for one in await scene.target.manifests()}
        then = kept.get(scene.release.id)
        fitting = [one.name for one in await scene.database.copies() if one.fingerprint == then]
        copy = fitting[0] if fitting else ""
        advice = (
            f"gonogo rollback {scene.environment.name} --to {scene.release.id} "
            f"--database restore --confirm {copy}"
            if copy
            else "no copy of the database has the schema that release ran on"
        )
        raise Refused(
            "the schema has moved since that release, and it may not work on it", next_step=advice
        )


def _declared_online(scene: Scene) -> bool:
    """What the live release, whose migrations moved the schema, says of them."""
    configuration = scene.previous.configuration if scene.previous else {}
    environment = configuration.get("environments", {}).get(scene.environment.name, {})
    migrations = (environment.get("database") or {}).get("migrations") or {}
    return bool(migrations.get("online"))


ACTION: Action[Settings] = GuardSchema()
