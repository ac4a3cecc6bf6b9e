"""Refuse to go on while migrations are pending: an update never migrates (C4).

The other way round, a migration that stops the application is refused when there is none to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.errors import Refused
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """wanted: refuse the other way round, when no migration is pending."""

    wanted: bool = False


class GuardMigrations:
    """Asks the new release, once it is built and before anything of it runs."""

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        whether = "no migration is" if settings.wanted else "migrations are"
        return [Operation(where="database", what=f"refuse if {whether} pending")]

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        return None  # It changes nothing, so to act is to look.

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        names = await _pending(scene)
        if names is None:
            return Finding(
                verdict=Verdict.WARN,
                found="whether migrations are pending cannot be found out",
                expected="set database.migrations.pending in gonogo.yml",
            )
        if names and not settings.wanted:
            raise Refused(
                f"migrations are pending, and update never migrates: {', '.join(names)}",
                next_step=f"gonogo migrate {scene.environment.name}",
            )
        if settings.wanted and not names:
            raise Refused(
                "no migration is pending, so nothing has to be stopped",
                next_step=f"gonogo update {scene.environment.name}",
            )
        return passed(f"pending: {', '.join(names)}" if names else "no migration is pending")


async def _pending(scene: Scene) -> Sequence[str] | None:
    if scene.migrator is None or scene.release is None:
        return []
    return await scene.migrator.pending(scene.release, scene.say)


ACTION: Action[Settings] = GuardMigrations()
