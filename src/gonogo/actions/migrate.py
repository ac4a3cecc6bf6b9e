"""Run the new release's migrations once, and say whether the schema really moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.model.errors import PermanentError
from gonogo.model.evidence import Finding, Verdict, passed
from gonogo.model.plan import Operation
from gonogo.model.release import Release
from gonogo.ports import Action, Scene


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Nothing to set: the environment's `migrations` says how."""


class Migrate:
    """Never trusts that a failed migration left nothing behind: it compares schema fingerprints.

    What is pending is asked in act, which names it: asking starts a command of the application,
    which can take long while the application stands still.
    """

    settings = Settings
    loses_data = False

    def describe(self, settings: Settings, scene: Scene) -> Sequence[Operation]:
        return scene.migrator.describe(_release(scene)) if scene.migrator else []

    async def observe(self, settings: Settings, scene: Scene) -> Finding | None:
        if scene.migrator is None:
            return Finding(verdict=Verdict.SKIP, found="no migrations are configured")
        return None

    async def act(self, settings: Settings, scene: Scene) -> Finding:
        assert scene.migrator is not None
        pending = await scene.migrator.pending(_release(scene), scene.say)
        if pending is not None and not pending:
            return passed("none is pending")
        before = await scene.database.fingerprint() if scene.database else ""
        try:
            await scene.migrator.apply(_release(scene), scene.say)
        except PermanentError as error:
            now = await scene.database.fingerprint() if scene.database else ""
            state = "the schema is unchanged" if before == now else "the schema is HALF CHANGED"
            raise PermanentError(f"{state}: {error.message}", next_step=error.next_step) from error
        after = await scene.database.fingerprint() if scene.database else ""
        left = await scene.migrator.pending(_release(scene), scene.say)
        if left:
            raise PermanentError(f"still pending after migrating: {', '.join(left)}")
        names = _few(pending) if pending else "the migrations"
        moved = "" if before != after else " (the schema did not change)"
        return passed(f"applied {names}{moved}", facts={"before": before, "after": after})


def _few(names: Sequence[str]) -> str:
    """The names, or how many and the last one: a first migration can have dozens."""
    return ", ".join(names) if len(names) <= 5 else f"{len(names)} migrations up to {names[-1]}"


def _release(scene: Scene) -> Release:
    if scene.release is None:
        raise PermanentError("there is no release to migrate from")
    return scene.release


ACTION: Action[Settings] = Migrate()
