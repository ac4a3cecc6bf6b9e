"""Refuse to go on while migrations are pending: an update never migrates (C4)."""

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


class GuardMigrations:
    """Asks the new release, once it is built and before anything of it runs."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return [Operation(where="database", what="refuse if the new release has migrations")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        names = await _pending(scene)
        if names is None:
            return Finding(
                verdict=Verdict.WARN,
                found="whether migrations are pending cannot be found out",
                expected="set database.migrations.pending in gonogo.yml",
            )
        return None if names else passed("no migration is pending")

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        names = await _pending(scene) or []
        raise Refused(
            f"migrations are pending, and update never migrates: {', '.join(names)}",
            next_step=f"gonogo migrate {scene.environment.name}",
        )


async def _pending(scene: Scene) -> Sequence[str] | None:
    if scene.migrator is None or scene.release is None:
        return []
    return await scene.migrator.pending(scene.release, scene.say)


ACTION: Action[Settings] = GuardMigrations()
